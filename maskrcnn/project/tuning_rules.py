"""The rules of the tuning stages in `params.yaml`: comparisons of candidates, and ranges of the search."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from maskrcnn.project.config import Candidate, Study
from maskrcnn.project.errors import InputError


def find_search_faults(study: Study) -> Iterator[str]:
    """Yields ranges of the search that are empty."""
    for optimizer, space in study.search.items():
        for field in fields(space):
            found = getattr(space, field.name)
            if found is not None and not found[0] < found[1]:
                yield f"`search.{optimizer}.{field.name}` must be a lower and a higher value; got {list(found)}"


def check_comparisons(comparisons: Mapping[str, Sequence[str]], candidates: Mapping[str, Candidate]) -> None:
    """Refuses comparisons whose candidates differ in something else than the name of the comparison.

    Args:
        comparisons, candidates: See `find_comparison_faults`.

    Raises:
        InputError: naming all faults at once.
    """
    if faults := list(find_comparison_faults(comparisons, candidates)):
        raise InputError(f"{'; '.join(faults)}.")


def find_comparison_faults(
    comparisons: Mapping[str, Sequence[str]], candidates: Mapping[str, Candidate]
) -> Iterator[str]:
    """Yields comparisons whose candidates differ in something else than the name of the comparison.

    Args:
        comparisons: By what is compared, the keys of the candidates.
        candidates: By key. The start may differ together with the backbone: the same weights have a file for each.
    """
    aspects = [field.name for field in fields(Candidate)]
    if set(comparisons) != set(aspects):
        yield f"`coarse.comparisons` must have the keys {', '.join(aspects)}; got {', '.join(comparisons)}"
        return
    for aspect, names in comparisons.items():
        key = f"coarse.comparisons.{aspect}"
        if unknown := [name for name in names if name not in candidates]:
            yield f"`{key}` must name entries of `candidates`; got {', '.join(unknown)}"
            continue
        values = {name: {getattr(candidates[each], name) for each in names} for name in aspects}
        varying = [name for name in aspects if len(values[name]) > 1 and (name, aspect) != ("start", "backbone")]
        if varying != [aspect]:
            yield (
                f"`{key}` must name candidates that differ in {aspect} alone; "
                f"got {', '.join(names)}, which differ in {', '.join(varying) or 'nothing'}"
            )
