"""The rules of the trainings in `params.yaml`: what learns, and from which weights."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from maskrcnn.project.config import Study, Variant
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import Params
from maskrcnn.project.ranges import LossName, Part, names_of

START = "models/start"  # where the stage `weights` writes


def check_variant(params: Params, name: str) -> None:
    """Refuses a variant that is not, or no longer, one of `params.yaml`: its scores would stand beside the others.

    Args:
        params: The file as read.
        name: Of the variant.

    Raises:
        InputError: if there is no such variant.
    """
    variants = params.values.get("variants")
    known = list(map(str, variants)) if isinstance(variants, Mapping) else []
    if name not in known:
        raise InputError(f"`{params.path}` must have the variant `variants.{name}`; got {', '.join(known) or 'none'}.")


def find_variant_faults(study: Study) -> Iterator[str]:
    """Yields variants that learn nothing."""
    losses, parts = names_of(LossName), names_of(Part)
    for name, variant in study.variants.items():
        if all(variant.loss_weights.get(loss) == 0 for loss in losses):
            yield f"`variants.{name}.loss_weights` must leave a loss above 0; got 0 for all"
        learning = [part for part in parts if part != "backbone" or variant.layers != "heads"]
        if set(learning) <= set(variant.frozen):
            yield (
                f"`variants.{name}.frozen` must leave a part that `variants.{name}.layers`, {variant.layers}, trains; "
                f"got {', '.join(variant.frozen)}"
            )


def find_start_faults(study: Study) -> Iterator[str]:
    """Yields start weights of another backbone than the network's, or that no stage can make."""
    users = {"hyperband": (study.hyperband.start, study.model.backbone)}
    users["babysit"] = study.babysit.start, study.babysit.backbone
    users |= {f"variants.{name}": (variant.start, study.model.backbone) for name, variant in study.variants.items()}
    users |= {f"candidates.{name}": (each.start, each.backbone) for name, each in study.candidates.items()}
    trained = {f"models/{name}.h5" for name in (*study.variants, "pretrained")}
    for key, (start, backbone) in users.items():
        path = PurePosixPath(start)
        if str(path.parent) == START:
            if path.suffix != ".h5" or path.stem not in study.weights:
                made = ", ".join(f"{START}/{name}.h5" for name in study.weights) or "nothing"
                yield f"`{key}.start` must be a file that `weights` makes, {made}; got {start}"
            elif (found := study.weights[path.stem].backbone) != backbone:
                yield (
                    f"`{key}.start` must be weights of the backbone {backbone}; got {start}, which has {found} "
                    f"(`weights.{path.stem}.backbone`)"
                )
        elif start in trained and backbone != study.model.backbone:
            yield (
                f"`{key}.start` must be weights of the backbone {backbone}; got {start}, which has "
                f"{study.model.backbone} (`model.backbone`)"
            )
    yield from _find_cycles(study.variants)


def _find_cycles(variants: dict[str, Variant]) -> Iterator[str]:
    """Yields variants that start from themselves through others."""
    for name in variants:
        chain = [name]
        while (start := variants[chain[-1]].start) in {f"models/{each}.h5" for each in variants}:
            chain.append(PurePosixPath(start).stem)
            if chain[-1] == name and len(chain) > 2:
                yield f"`variants.{name}.start` must not lead back to the variant; got {' from '.join(chain)}"
            if chain[-1] in chain[:-1]:
                break
