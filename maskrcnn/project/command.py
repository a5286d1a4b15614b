"""A script as a command: its words come in, and where the input is at fault, one sentence goes out."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from linecache import getline
from traceback import walk_tb
from types import TracebackType

OURS = ("maskrcnn", "stages", "__main__")  # modules that raise errors to be read


def run(main: Callable[..., None], description: str, **arguments: str) -> None:
    """Calls the main function of a script with the words of the command line.

    Args:
        main: Takes the arguments by name.
        description: What the script does; of several lines, the first is shown.
        arguments: What each word of the command line is, by its name.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    for name, meaning in arguments.items():
        parser.add_argument(name, help=meaning)
    options = vars(parser.parse_args())
    with told_errors():
        main(**options)


@contextmanager
def told_errors() -> Iterator[None]:
    """Ends the process with the sentence of an error that was raised to be read; a defect keeps its traceback."""
    try:
        yield
    except OSError as fault:
        sys.exit(str(fault))
    except (ValueError, ArithmeticError, RuntimeError) as fault:  # a divergence and a locked folder among them
        if not _is_raised_by_hand(fault.__traceback__):
            raise
        sys.exit(str(fault))


def _is_raised_by_hand(trace: TracebackType | None) -> bool:
    """Tells whether the error comes from a `raise` of this project, and not from within NumPy or Keras."""
    frame, line = list(walk_tb(trace))[-1]
    module = frame.f_globals["__name__"].partition(".")[0]
    return module in OURS and getline(frame.f_code.co_filename, line).lstrip().startswith("raise ")
