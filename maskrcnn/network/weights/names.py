"""Names of tensors in messages."""

from collections.abc import Sequence

NAMED = 3  # tensors in a message
LENGTH = 120  # characters of a name; no layout that is read has longer ones


def name_some(names: Sequence[str], limit: int = NAMED) -> str:
    """Returns the first names and how many more there are; only their number where the limit is 0."""
    if not limit:
        return f"({len(names)})"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(shorten(name) for name in names[:limit]) + more


def shorten(name: str) -> str:
    """Returns a name as a message shows it: cut where it is long, escaped where it cannot be printed."""
    shown = name if len(name) <= LENGTH else f"{name[:LENGTH]}..."
    return shown if shown.isprintable() else ascii(shown)
