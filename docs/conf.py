"""Configuration of the documentation: ``make docs``."""

import re

import causalrep

project = "causalrep"
author = "The causalrep developers"
copyright = "the causalrep developers"
release = version = causalrep.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "sg_execution_times.rst"]
default_role = "code"
nitpicky = False

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_title = f"causalrep {version}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}

# the public names of a package are those of its __all__, wherever they are defined
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings say more than the annotations
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "show_memory": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "min_reported_time": 1,
}


def skip_generated(_app, _what, name, _thing, skip, _options):
    """Leave out the methods that scikit-learn adds to every estimator; their text is scikit-learn's."""
    return skip or bool(re.fullmatch(r"set_\w+_request|get_metadata_routing", name))


def setup(app):
    app.connect("autodoc-skip-member", skip_generated)
