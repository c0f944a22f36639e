"""The package as a whole: what importing it costs, what is public, and what it never does."""

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import causalrep

ROOT = Path(causalrep.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))


def public_packages():
    names = [
        info.name
        for info in pkgutil.walk_packages(causalrep.__path__, prefix="causalrep.")
        if not any(part.startswith("_") for part in info.name.split("."))
    ]
    return ["causalrep", *names]


def loaded_after(code):
    """Return the names of the top-level modules that a fresh interpreter has loaded after `code`."""
    report = "\nimport sys\nprint(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + report], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


# --- what importing costs; modules are watched, because wall-clock on a busy machine proves nothing ---


def test_import_loads_nothing_but_the_standard_library():
    loaded = loaded_after("import causalrep")
    assert "causalrep" in loaded
    assert loaded.isdisjoint(
        {"numpy", "scipy", "torch", "pandas", "sklearn", "networkx", "matplotlib", "pyro"}
    )


@pytest.mark.parametrize(
    ("package", "unwanted"),
    [
        ("graphs", {"torch", "pandas", "matplotlib", "sklearn", "pyro", "diffusers"}),
        ("identification", {"torch", "pandas", "matplotlib", "sklearn", "pyro", "diffusers"}),
        ("scm", {"torch", "matplotlib", "pyro", "diffusers"}),
        ("independence", {"torch", "pandas", "matplotlib", "pyro"}),
        ("discovery", {"torch", "matplotlib", "pyro"}),  # scikit-learn loads pandas where it is
        ("estimators", {"torch", "matplotlib", "pyro"}),
        ("datasets", {"matplotlib", "pyro", "diffusers"}),
        ("metrics", {"torch", "matplotlib", "pyro", "diffusers"}),
        ("representation", {"diffusers", "matplotlib", "pyro"}),
        ("cli", {"torch", "matplotlib", "diffusers"}),
    ],
)
def test_packages_load_only_what_they_need(package, unwanted):
    loaded = loaded_after(f"import causalrep.{package}")
    assert loaded & unwanted == set()


def test_packages_are_found_as_attributes_and_by_dir():
    for name in causalrep.__all__:
        assert name in dir(causalrep)
        if name != "__version__":
            assert getattr(causalrep, name) is import_module(f"causalrep.{name}")
    with pytest.raises(AttributeError, match="no attribute 'grahps'"):
        causalrep.grahps  # noqa: B018


# --- what is public ---------------------------------------------------------------------------


def test_every_public_package_is_announced():
    top_level = {name.split(".")[1] for name in public_packages()[1:]}
    assert top_level - {"cli"} == set(causalrep.__all__) - {"__version__"}


@pytest.mark.parametrize("name", public_packages())
def test_all_equals_what_is_public(name):
    module = import_module(name)
    announced = set(module.__all__)
    assert len(module.__all__) == len(announced)
    ours = {
        key
        for key, thing in vars(module).items()
        if not key.startswith("_")
        and not inspect.ismodule(thing)
        and getattr(thing, "__module__", name).startswith("causalrep")
    }
    assert ours - announced == set()
    for key in announced:
        assert getattr(module, key) is not None


def public_things():
    """Yield every class and function that some package announces."""
    for name in public_packages()[1:]:
        module = import_module(name)
        for key in module.__all__:
            thing = getattr(module, key)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield pytest.param(thing, id=f"{name}.{key}")


@pytest.mark.parametrize("thing", list(public_things()))
def test_everything_public_has_a_docstring_of_its_own(thing):
    assert thing.__doc__
    if inspect.isclass(thing):
        assert all(thing.__doc__ != base.__doc__ for base in thing.__mro__[1:])
        for name, member in vars(thing).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                assert inspect.getdoc(getattr(thing, name)), f"{thing.__name__}.{name}"


# --- what the package never does ---------------------------------------------------------------

FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "torch.load", "torch.save", "joblib.load"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}


def offences(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
            yield from ((node.lineno, name) for name in names & FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS:
            yield node.lineno, ast.unparse(node.func)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_pickled_or_evaluated(source):
    assert list(offences(ast.parse(source.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load('x')",
        "eval('1')",
        "f = lambda s: exec(s)",
    ],
)
def test_the_watch_for_forbidden_calls_sees_them(code):
    assert list(offences(ast.parse(code)))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_input_is_not_checked_by_assert_and_no_error_is_swallowed(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            blanket = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            last = node.body[-1]
            passed_on = isinstance(last, ast.Raise) and last.exc is None
            assert passed_on or not blanket, f"line {node.lineno}"


def test_only_graphs_and_utils_are_needed_by_a_graph():
    loaded = loaded_after(
        "from causalrep.graphs import DAG; DAG.from_string('X -> Y').is_separated('X', 'Y')"
    )
    assert loaded.isdisjoint({"torch", "pandas"})
