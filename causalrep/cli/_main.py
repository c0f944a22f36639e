"""Arguments in, an exit code out; whatever a user can cause is one clear line on standard error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import causalrep
from causalrep.utils import CausalRepError

__all__ = ["main"]

_WORLDS = ("pendulum", "flow", "circuit", "digits", "sprites", "shapes")  # no import for --help; tested
BAD_INPUT = 2
INTERRUPTED = 130  # what a shell reports for Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``causalrep`` on the command line; default what the process was given.

    Returns
    -------
    int
        0 if all went well, 2 for bad input, 130 if interrupted.

    Examples
    --------
    >>> from causalrep.cli import main
    >>> main(["counterfactual", "missing-model", "images", "--do", "light=120", "--out", "answers"])
    2
    """
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command resumes where it stopped", file=sys.stderr)
        return INTERRUPTED
    except (CausalRepError, OSError) as error:
        if options.traceback:
            raise
        print(f"causalrep {options.command}: {_one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _run(options: argparse.Namespace) -> None:
    """Start a command; each is imported on use, so that ``causalrep --help`` is quick."""
    if options.command == "demo":
        from causalrep.cli._demo import run_demo

        run_demo(
            options.out,
            quick=options.quick,
            baselines=options.baselines,
            seed=options.seed,
            device=options.device,
        )
    elif options.command == "train":
        from causalrep.cli._train import run_train

        run_train(options.config, out=options.out, device=options.device)
    elif options.command == "report":
        from causalrep.cli._judge import run_report

        run_report(
            options.model,
            options.world,
            nuisance=options.nuisance,
            n_images=options.images,
            seed=options.seed,
            out=options.out,
            device=options.device,
        )
    elif options.command == "explore":
        from causalrep.cli._explore import run_explore

        run_explore(options.model, options.images, port=options.port, device=options.device)
    elif options.command == "benchmark":
        from causalrep.cli._benchmark import run_benchmark

        run_benchmark(
            options.config,
            out=options.out,
            device=options.device,
            workers=options.workers,
            tables_only=options.tables_only,
        )
    elif options.command == "discover":
        from causalrep.cli._discover import run_discover

        run_discover(
            options.data, method=options.method, test=options.test, alpha=options.alpha, out=options.out
        )
    elif options.command == "effect":
        from causalrep.cli._effect import run_effect

        run_effect(
            options.data,
            graph=options.graph,
            treatment=options.treatment,
            outcome=options.outcome,
            refute=options.refute,
            alpha=options.alpha,
            seed=options.seed,
            out=options.out,
        )
    else:
        from causalrep.cli._counterfactual import run_counterfactual

        run_counterfactual(
            options.model, options.images, do=options.do, out=options.out, device=options.device
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="causalrep", description="From a table to a graph, an effect, or counterfactual images."
    )
    parser.add_argument("--version", action="version", version=f"causalrep {causalrep.__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="from data to scored counterfactual images",
        description="Draw the Pendulum world, discover its graph, train, intervene, and score the "
        "counterfactual images against the true ones. Can be interrupted at any time and resumes.",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("causalrep-demo"), help="folder (default: %(default)s)"
    )
    demo.add_argument("--quick", action="store_true", help="16 px, one to three minutes on two cores")
    demo.add_argument("--baselines", action="store_true", help="also train the published recipes")
    demo.add_argument("--seed", type=_seed, default=0, help="of data and training (default: %(default)s)")

    train = commands.add_parser(
        "train", help="train a model on your own images", description="Train a model as a TOML file says."
    )
    train.add_argument("config", type=Path, help="TOML file; its keys are in the user guide")
    train.add_argument("--out", type=Path, help="folder of the model (default: what the file says)")

    benchmark = commands.add_parser(
        "benchmark",
        help="models, worlds and seeds against the truth",
        description="Train and score all models of a TOML file on all its worlds with one budget. Can be "
        "interrupted at any time and resumes.",
    )
    benchmark.add_argument("config", type=Path, help="TOML file; its keys are in the user guide")
    benchmark.add_argument("--out", type=Path, help="folder of the results (default: what the file says)")
    benchmark.add_argument(
        "--workers", type=_count, help="trainings side by side (default: what the file says)"
    )
    benchmark.add_argument("--tables-only", action="store_true", help="of what is done; train nothing")

    report = commands.add_parser(
        "report",
        help="score a trained model against a world, on one HTML page",
        description="Ask a trained model counterfactual questions of a world that knows the truth.",
    )
    report.add_argument("model", type=Path, help="folder of a trained model")
    report.add_argument("--world", choices=_WORLDS, required=True, help="the world it was trained on")
    report.add_argument("--nuisance", choices=("none", "vary", "noise", "texture"), default="vary")
    report.add_argument("--images", type=int, default=128, help="how many are asked (default: %(default)s)")
    report.add_argument("--seed", type=_seed, default=7, help="of the images asked (default: %(default)s)")
    report.add_argument("--out", type=Path, default=Path("report.html"), help="page (default: %(default)s)")

    explore = commands.add_parser(
        "explore",
        help="move sliders and see what the model answers",
        description="Serve a page on this machine with a slider for every node of a trained model.",
    )
    explore.add_argument("model", type=Path, help="folder of a trained model")
    explore.add_argument("--images", type=Path, help="folder of pictures, one picture, or a .npy file")
    explore.add_argument("--port", type=int, default=0, help="of the page (default: a free one)")

    answer = commands.add_parser(
        "counterfactual",
        help="ask a trained model what images would have been",
        description="Write the images as they would have been under an intervention, and their labels.",
    )
    answer.add_argument("model", type=Path, help="folder of a trained model")
    answer.add_argument("images", type=Path, help="folder of pictures, one picture, or a .npy file")
    answer.add_argument(
        "--do", action="append", required=True, metavar="NODE=VALUE", help="intervention; can be repeated"
    )
    answer.add_argument("--out", type=Path, required=True, help="new folder for pictures and labels.csv")

    _add_tables(commands)
    for command in (demo, train, benchmark, report, explore, answer):
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: %(default)s)")
    return parser


def _add_tables(commands: Any) -> None:
    """Add the commands that work on tables."""
    from causalrep.cli._discover import METHODS

    discover = commands.add_parser(
        "discover",
        help="find the causal graph of a table",
        description="Search for the causal graph of the columns of a CSV file, and write it.",
    )
    discover.add_argument("data", type=Path, help="CSV file with a line of names")
    discover.add_argument("--method", choices=METHODS, default="pc", help="search (default: %(default)s)")
    discover.add_argument("--test", help="test of independence of pc, fci and rfci (default: fisherz)")
    discover.add_argument("--alpha", type=float, help="its level (default: 0.01)")
    discover.add_argument("--out", type=Path, required=True, help="new file, .dot or .json")

    effect = commands.add_parser(
        "effect",
        help="estimate an effect from a table and a graph",
        description="Identify an effect by a graph, estimate it, and say what speaks against believing it.",
    )
    effect.add_argument("data", type=Path, help="CSV file with a line of names")
    effect.add_argument("--graph", type=Path, required=True, help="its causal graph, .dot or .json")
    effect.add_argument("--treatment", required=True, help="name of a column")
    effect.add_argument("--outcome", required=True, help="name of a column")
    effect.add_argument("--refute", action="store_true", help="also refit on altered data")
    effect.add_argument(
        "--alpha", type=float, default=0.05, help="one less the level of the interval (default: %(default)s)"
    )
    effect.add_argument("--seed", type=_seed, default=0, help="of folds and models (default: %(default)s)")
    effect.add_argument("--out", type=Path, help="new HTML file for the report")


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {seed}")
    return seed


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {count}")
    return count


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split())
