"""The command line: `maskrcnn predict`, `evaluate`, `experiments`, `doctor` and `weights`.

What a command needs is imported when it runs, so that `maskrcnn --help` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from maskrcnn.cli import evaluate, predict


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the subcommand and returns its exit code; bad input exits with its message.

    Args:
        arguments: The words of the command line; those of the process when None.
    """
    options = _parser().parse_args(arguments)
    from maskrcnn.project.command import exit_on_bad_input

    with exit_on_bad_input():
        return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maskrcnn", description="Mask R-CNN for Cityscapes.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    predict.add_command(commands)
    evaluate.add_command(commands)
    help = "compare the experiments of `dvc exp run` in a short table"
    command = commands.add_parser("experiments", help=help, description=_sentence(help))
    command.add_argument("--variant", default="base", metavar="NAME", help="whose scores; default: base")
    command.set_defaults(run=_experiments)
    help = "report what is installed, missing or damaged, for the scale that params.yaml is at"
    command = commands.add_parser("doctor", help=help, description=_sentence(help))
    help = "instead, read all files whose hashes DVC has recorded, or only these, and report which are damaged"
    command.add_argument("--hashes", nargs="*", metavar="PATH", help=help)
    command.set_defaults(run=_doctor)
    help = "get and look at released weights"
    weights = commands.add_parser("weights", help=help, description=_sentence(help))
    tasks = weights.add_subparsers(required=True, metavar="COMMAND")
    help = "download a released file to weights/ and verify it"
    command = tasks.add_parser("fetch", help=help, description=_sentence(help))
    command.add_argument("name", help="coco, imagenet, imagenet_2019")
    command.set_defaults(run=_fetch)
    help = "show what a weight file holds: its model and its tensors"
    command = tasks.add_parser("show", help=help, description=_sentence(help))
    command.add_argument("path", type=Path, metavar="FILE", help="a .h5 file, such as models/base.h5")
    command.set_defaults(run=_show)
    return parser


def _sentence(help: str) -> str:
    return f"{help[0].upper()}{help[1:]}."


def _doctor(options: argparse.Namespace) -> int:
    from maskrcnn.cli import doctor

    return doctor.main(hashes=options.hashes)


def _experiments(options: argparse.Namespace) -> int:
    from maskrcnn.cli import experiments

    return experiments.main(options.variant)


def _fetch(options: argparse.Namespace) -> int:
    from maskrcnn.cli.download import fetch
    from maskrcnn.network.weights.released import FOLDER, RELEASES
    from maskrcnn.project.errors import InputError

    if options.name not in RELEASES:
        raise InputError(f"`name` must be one of {', '.join(RELEASES)}; got {options.name!r}.")
    print(fetch(RELEASES[options.name], Path(FOLDER)))
    return 0


def _show(options: argparse.Namespace) -> int:
    from rich.console import Console

    from maskrcnn.cli.show import list_facts, list_tensors

    console = Console()
    if facts := list_facts(options.path):
        console.print(facts)
    console.print(list_tensors(options.path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
