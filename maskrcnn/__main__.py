"""The command line: `maskrcnn doctor`, `maskrcnn weights fetch` and `maskrcnn weights show`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from maskrcnn.cli import doctor
from maskrcnn.cli.download import fetch
from maskrcnn.cli.show import list_tensors
from maskrcnn.network.weights.released import FOLDER, RELEASES
from maskrcnn.project.command import exit_on_bad_input


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the subcommand and returns its exit code; bad input exits with its message.

    Args:
        arguments: The words of the command line; those of the process when None.
    """
    options = _parser().parse_args(arguments)
    with exit_on_bad_input():
        return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maskrcnn", description="Mask R-CNN for Cityscapes.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("doctor", help="report what is installed and what is missing")
    command.set_defaults(run=lambda _: doctor.main())
    weights = commands.add_parser("weights", help="get and look at released weights").add_subparsers(required=True)
    command = weights.add_parser("fetch", help=f"download a released file to {FOLDER}/ and verify it")
    command.add_argument("name", choices=RELEASES)
    command.set_defaults(run=_fetch)
    command = weights.add_parser("show", help="list the tensors of a weight file")
    command.add_argument("path", type=Path)
    command.set_defaults(run=_show)
    return parser


def _fetch(options: argparse.Namespace) -> int:
    print(fetch(RELEASES[options.name], Path(FOLDER)))
    return 0


def _show(options: argparse.Namespace) -> int:
    Console().print(list_tensors(options.path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
