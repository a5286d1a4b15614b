"""Runs `main` from the command line; bad input exits with its message instead of a traceback."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maskrcnn.project.costs import record_costs
from maskrcnn.project.errors import InputError
from maskrcnn.project.ranges import NAME

INTERRUPTED = 128 + 2  # the exit code of a shell's command that Ctrl-C (signal 2) ended


def run(main: Callable[..., None], description: str, **arguments: str) -> None:
    """Calls the main function of a script with the arguments of the command line, and records what it took.

    Args:
        main: Takes the arguments by name.
        description: What the script does; the help shows its first line.
        arguments: Description of each argument, by its name.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    for name, meaning in arguments.items():
        parser.add_argument(name, help=meaning)
    options = vars(parser.parse_args())
    with exit_on_bad_input():
        for name, word in options.items():
            if not re.fullmatch(NAME, word):  # it becomes part of the paths of outputs
                raise InputError(f"`{name}` must be of letters, digits, `_` and `-`; got {word!r}.")
        with record_costs("@".join([Path(sys.argv[0]).stem, *options.values()])):
            try:
                main(**options)
            except KeyboardInterrupt:  # its traceback of the backend explains nothing
                print("Interrupted. The same command runs this stage again; a training resumes.", file=sys.stderr)
                sys.exit(INTERRUPTED)


@contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Exits with code 1 and the message of an `InputError` or of the operating system; others keep their traceback."""
    try:
        yield
    except (InputError, OSError) as fault:
        sys.exit(str(fault))
