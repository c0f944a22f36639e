"""Arguments in, an exit code out; whatever a user can cause is one clear line on standard error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import causalrep
from causalrep.utils import CausalRepError

__all__ = ["main"]

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
    else:
        from causalrep.cli._counterfactual import run_counterfactual

        run_counterfactual(
            options.model, options.images, do=options.do, out=options.out, device=options.device
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="causalrep", description="Counterfactual images, from a graph and a table of labels."
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

    for command in (demo, train, answer):
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: %(default)s)")
    return parser


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {seed}")
    return seed


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split())
