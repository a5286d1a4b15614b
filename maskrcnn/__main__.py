"""The command line: `maskrcnn doctor`."""

import argparse
import sys
from collections.abc import Sequence

from maskrcnn import doctor


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the subcommand and returns its exit code.

    Args:
        arguments: The words of the command line; those of the process when None.
    """
    parser = argparse.ArgumentParser(prog="maskrcnn", description="Mask R-CNN for Cityscapes.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("doctor", help="tell what is installed, and what is missing")
    command.set_defaults(run=doctor.main)
    return int(parser.parse_args(arguments).run())


if __name__ == "__main__":
    sys.exit(main())
