"""``causalrep demo``: from data with a known truth to counterfactual images scored against it.

Every step leaves its result in the output folder and is skipped if it is there: training resumes from its
checkpoint, trained models and their scores are kept one by one. Tables and page are made anew.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causalrep.cli._demo_results import OURS, DemoResults, Discovery, Plan
from causalrep.utils import DataError, keyed_seed, write_text

if TYPE_CHECKING:
    from causalrep.graphs import DAG
    from causalrep.metrics import CounterfactualReport

__all__ = ["run_demo"]

_TESTS = {"Fisher's z": "fisherz", "the polynomial test": "polynomial"}  # the models are built on the last
REGRESSION, PUBLISHED, CONDITIONAL = "regression decoder", "published recipe", "label-conditional diffusion"


FULL = Plan(size=32, n_train=8000, steps=1500, n_images=256)
QUICK = Plan(size=16, n_train=8000, steps=1500, n_images=256)


def run_demo(out: Path, *, quick: bool, baselines: bool, seed: int, device: str) -> CounterfactualReport:
    """Run the steps that are not done yet, print the scores and write the report.

    Parameters
    ----------
    out : Path
        Folder of all results.
    quick : bool
        Whether to take the small images.
    baselines : bool
        Whether to train the published recipes too.
    seed : int
        Of data, training and scores.
    device : str
        Where to train.

    Returns
    -------
    CounterfactualReport
        The scores of all models.

    Raises
    ------
    DataError
        If `out` holds something else, or a demo with other settings.
    """
    from causalrep.datasets import pendulum
    from causalrep.metrics import CounterfactualReport

    plan = Plan(**{**asdict(QUICK if quick else FULL), "seed": seed})
    _claim(out, plan)
    clock = time.monotonic()
    world = pendulum(size=plan.size)
    _say(f"[1/5] draw {plan.n_train} images of {plan.size} x {plan.size} pixels, with their labels")
    train = world.sample(plan.n_train, random_state=keyed_seed(seed, "train"))
    _say("[2/5] discover the graph from the labels")
    truth = world.graph_of_labels
    _say(f"      {'true':<30}{truth.to_string()}")
    discoveries = [_discover(truth, train.frame, name=name, test=test) for name, test in _TESTS.items()]
    graph, choice = _choose(truth, discoveries[-1])
    _say(f"      {choice}\n[3/5] train")
    models = {
        name: _trained(name, model, out, train)
        for name, model in _models(graph, plan, baselines=baselines, device=device).items()
    }
    _say(f"[4/5] score {plan.n_images} new images under interventions on every label")
    report = CounterfactualReport.combine(
        _scored(name, model, world, out, plan) for name, model in models.items()
    )
    leak = _leak(models, world, plan)
    _say(f"\n{report}\n\n{_leak_text(leak)}\n")
    _say("[5/5] write the report")
    results = DemoResults(
        plan,
        truth,
        discoveries,
        graph,
        f"{choice} {_FISHER_Z}",
        models,
        report,
        leak,
        seconds=time.monotonic() - clock,
    )
    _say(results.write(out))
    return report


def _say(text: str) -> None:
    print(text, flush=True)


def _claim(out: Path, plan: Plan) -> None:
    """Make the folder ours, or raise DataError if it holds something else."""
    import causalrep

    settings = {"causalrep demo": causalrep.__version__, **asdict(plan)}
    path = out / "settings.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != settings:
            raise DataError(
                f"{out} holds a demo with other settings ({_differences(found, settings)}); "
                "name another folder with --out, or delete it"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is no folder of a demo; name another with --out")
    else:
        write_text(path, json.dumps(settings, indent=1))


def _differences(found: Any, wanted: Mapping[str, Any]) -> str:
    there = found if isinstance(found, dict) else {}
    parts = [f"{k}: {there.get(k)} there, {v} here" for k, v in wanted.items() if there.get(k) != v]
    return ", ".join(parts) or "unknown settings there"


def _discover(truth: DAG, labels: Any, *, name: str, test: str) -> Discovery:
    """Return what PC finds with one test, and print it."""
    from causalrep.discovery import PC
    from causalrep.graphs import DAG
    from causalrep.metrics import shd, skeleton_scores

    pc = PC(test=test, alpha=0.01).fit(labels)
    found = pc.graph_
    distance = int(shd(truth.to_cpdag(), found))
    skeleton = skeleton_scores(truth, found)
    verdict = (
        "the true graph"
        if distance == 0
        else f"{distance} edge(s) away from the true graph (adjacencies: precision {skeleton.precision:.2f}, "
        f"recall {skeleton.recall:.2f})"
    )
    _say(f"      {f'PC with {name}':<30}{found.to_string()}\n      {'':<30}{verdict}")
    decided = not found.undirected_edges and not pc.conflicts_
    dag = DAG(found.directed_edges, nodes=truth.nodes) if decided else None
    return Discovery(name, found, distance, verdict, dag)


def _choose(truth: DAG, discovery: Discovery) -> tuple[DAG, str]:
    """Return the graph to build the models on, and where it is from."""
    if discovery.dag is None:
        return truth, (
            f"PC with {discovery.test} leaves directions open or contradicts itself, so the models are built "
            "on the true graph."
        )
    return discovery.dag, (
        f"The models are built on the graph that PC discovered with {discovery.test}: {discovery.verdict}."
    )


_FISHER_Z = (
    "Fisher's z-test sees linear dependence only. The position of the shadow is nearly linear in angle and "
    "light, and is found. Its length depends on the angle through a curve that is nearly even around the "
    "vertical, and through the product of angle and light; a straight line has next to nothing of either, so "
    "the edge angle -> length and the directions at length are left to chance. The polynomial test looks for "
    "curves and products, too."
)


def _models(graph: DAG, plan: Plan, *, baselines: bool, device: str) -> dict[str, Any]:
    from causalrep.representation import CausalDiffAE, ConditionalDiffusion, RegressionDecoder

    common: dict[str, Any] = {
        "graph": graph,
        "max_steps": plan.steps,
        "device": device,
        "progress": True,
        "random_state": plan.seed,
    }
    models: dict[str, Any] = {OURS: CausalDiffAE(**common), REGRESSION: RegressionDecoder(**common)}
    if baselines:
        models[PUBLISHED] = CausalDiffAE(preset="paper-small", **common)
        models[CONDITIONAL] = ConditionalDiffusion(**common)
    return models


def _folder_name(model: str) -> str:
    return model.lower().replace(" ", "-")


def _trained(name: str, model: Any, out: Path, train: Any) -> Any:
    folder = out / "models" / _folder_name(name)
    if folder.exists():
        _say(f"      {name}: trained before")
        done = type(model).load(folder, device=model.device)
        if done.graph_ != model.graph:
            raise DataError(
                f"{folder} holds a model of another graph, {done.graph_.to_string()!r}; name another folder "
                "with --out, or delete it"
            )
        return done
    _say(f"      {name}")
    checkpoint = out / "checkpoints" / _folder_name(name)
    model.set_params(checkpoint=checkpoint).fit(train["image"], train.frame)
    model.save(folder)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return model


def _scored(name: str, model: Any, world: Any, out: Path, plan: Plan) -> CounterfactualReport:
    from causalrep.metrics import CounterfactualReport, counterfactual_report

    folder = out / "scores" / _folder_name(name)
    if folder.exists():
        _say(f"      {name}: scored before")
        return CounterfactualReport.load(folder)
    _say(f"      {name}")
    report = counterfactual_report(
        {name: model}, world, n_images=plan.n_images, random_state=plan.seed, parts=(), progress=True
    )
    report.save(folder)
    return report


def _leak(models: Mapping[str, Any], world: Any, plan: Plan) -> dict[str, dict[str, float]]:
    """Return how well the nuisance code of each model predicts the labels."""
    from causalrep.metrics import label_leak

    fresh = world.sample(1024, random_state=keyed_seed(plan.seed, "leak"))
    leaks = {}
    for name, model in models.items():
        columns = [str(column).startswith("nuisance[") for column in model.get_feature_names_out()]
        if any(columns):
            codes = model.transform(fresh["image"])[:, columns]
            leaks[name] = {str(node): leak for node, leak in label_leak(codes, fresh.frame).items()}
    return leaks


def _leak_text(leak: Mapping[str, Mapping[str, float]]) -> str:
    lines = ["labels told by the nuisance code (R2, should be near zero)"]
    for name, of_nodes in leak.items():
        lines.append(f"  {name}: " + ", ".join(f"{node} {value:.2f}" for node, value in of_nodes.items()))
    return "\n".join(lines)
