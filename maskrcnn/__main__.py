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
    command = commands.add_parser("experiments", help="compare the experiments of `dvc exp run` in a short table")
    command.add_argument("--variant", default="base", help="whose scores; default: base")
    command.set_defaults(run=_experiments)
    command = commands.add_parser("doctor", help="report what is installed, missing or damaged")
    help = "read what DVC's hashes record again, or only these files, folders and caches, and report what is damaged"
    command.add_argument("--hashes", nargs="*", metavar="PATH", help=help)
    command.set_defaults(run=_doctor)
    weights = commands.add_parser("weights", help="get and look at released weights").add_subparsers(required=True)
    command = weights.add_parser("fetch", help="download a released file to weights/ and verify it")
    command.add_argument("name", help="coco, imagenet, imagenet_2019")
    command.set_defaults(run=_fetch)
    command = weights.add_parser("show", help="show what a weight file holds: its model and its tensors")
    command.add_argument("path", type=Path)
    command.set_defaults(run=_show)
    return parser


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
