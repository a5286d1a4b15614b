"""Augmentation: random changes of a training image, and of its truth with it.

imgaug draws the random numbers and changes the pixels. Key points are moved with the image; from them `look` reads the
view of the original that is left, and `maskrcnn.data.views` moves the truth. imgaug takes a second to import, so this
is left to the functions that need it: most stages only check strengths.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from maskrcnn.data.records import Record
from maskrcnn.data.views import View, Window, move_truth
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Image

if TYPE_CHECKING:
    from imgaug import augmenters as iaa

Points = Float[np.ndarray, "3 3 2"]
Augment = Callable[[Image, Record, np.random.Generator], tuple[Image, Record]]

GRID = np.moveaxis(np.mgrid[0:3, 0:3], 0, 2) / 2  # (y, x) of the nine key points, as shares of the image's sides
PIXEL_TOLERANCE = 0.01  # key points are float32


@dataclass(frozen=True)
class Augmentation:
    """One kind of augmentation.

    Args:
        build: Returns the augmenter of a strength, given the module `imgaug.augmenters`. It may mirror left and right,
            crop, pad, stretch and change colours; `look` refuses every other geometry. Strength 0 changes nothing.
        limit: The largest strength.
        closed: Whether the limit itself is allowed.
    """

    build: Callable[[ModuleType, float], "iaa.Augmenter"]
    limit: float
    closed: bool = True


AUGMENTATIONS: Mapping[str, Augmentation] = {  # in the order in which they are applied
    "flip": Augmentation(lambda iaa, strength: iaa.Fliplr(strength), 1.0),
    "crop": Augmentation(lambda iaa, strength: iaa.Sometimes(0.5, iaa.Crop(percent=(0, strength))), 0.5, closed=False),
    "scale": Augmentation(lambda iaa, strength: _zoom(iaa, 1 - strength, 1 + strength), 0.5),
    "color": Augmentation(lambda iaa, strength: iaa.Multiply((1 - strength, 1 + strength), per_channel=True), 1.0),
    "blur": Augmentation(lambda iaa, strength: iaa.GaussianBlur(sigma=(0, strength)), 10.0),
}


def make_augmenter(strengths: Mapping[str, float]) -> Augment:
    """Returns a function that augments an image and its record with the random numbers of a generator.

    Args:
        strengths: See `build_chain`.

    Raises:
        InputError: if a name is unknown or a strength out of range.
    """
    check_strengths(strengths)

    def augment(image: Image, record: Record, generator: np.random.Generator) -> tuple[Image, Record]:
        chain = build_chain(strengths)  # a new one for every image: imgaug's augmenters hold state and threads share us
        chain.seed_(int(generator.integers(2**31)))
        image, view = look(chain, image)
        return image, move_truth(record, view, image.shape[:2])

    return augment


def check_strengths(strengths: Mapping[str, float], key: str = "augment") -> None:
    """Refuses unknown augmentations and strengths out of range.

    Args:
        strengths: See `build_chain`.
        key: Full path of the mapping in the params, for the errors.

    Raises:
        InputError: if a name is unknown or a strength out of range.
    """
    if unknown := strengths.keys() - AUGMENTATIONS.keys():
        raise InputError(f"`{key}` must name some of {', '.join(AUGMENTATIONS)}; got {', '.join(sorted(unknown))}.")
    for name, strength in strengths.items():
        limit, closed = AUGMENTATIONS[name].limit, AUGMENTATIONS[name].closed
        if not (0 <= strength < limit or (closed and strength == limit)):
            raise InputError(f"`{key}.{name}` must lie within [0, {limit:g}{']' if closed else ')'}; got {strength:g}.")


def build_chain(strengths: Mapping[str, float]) -> "iaa.Sequential":
    """Returns the augmentations of these strengths.

    They are applied in the order of `AUGMENTATIONS`, whatever the order of the mapping: DVC compares mappings without
    order, so it would not notice a change of it.

    | name  | strength                                    | happens to         | range    |
    |-------|---------------------------------------------|--------------------|----------|
    | flip  | probability of swapping left and right      | that share         | [0, 1]   |
    | crop  | largest share taken off each side, each its | every second image | [0, 0.5) |
    |       | own; the rest is stretched                  |                    |          |
    | scale | zoom about the centre by a factor within    | every image        | [0, 0.5] |
    |       | 1 +- strength; what lies outside is black   |                    |          |
    | color | every channel times its own factor within   | every image        | [0, 1]   |
    |       | 1 +- strength                               |                    |          |
    | blur  | largest sigma of a Gaussian, in pixels      | every image        | [0, 10]  |

    Args:
        strengths: Strength of each augmentation, by its name.

    Source:
        imgaug's `Fliplr`, `Crop`, `CropAndPad`, `Multiply` and `GaussianBlur`. The experiment of 2021 used the first
        two with `flip: 0.5` and `crop: 0.2`.
    """
    from imgaug import augmenters as iaa

    return iaa.Sequential(
        [kind.build(iaa, strengths[name]) for name, kind in AUGMENTATIONS.items() if name in strengths]
    )


def _zoom(iaa: ModuleType, smallest: float, largest: float) -> "iaa.Augmenter":
    """Returns a zoom about the centre, the same in both directions.

    imgaug's `Affine` would show windows with fractions of pixels, `CropAndPad` takes or adds whole ones. A share `p`
    added to each side zooms by `1 / (1 + 2 p)`; `p` is uniform.
    """
    shares = (1 / largest - 1) / 2, (1 / smallest - 1) / 2
    return iaa.CropAndPad(percent=shares, sample_independently=False)


def look(chain: Iterable["iaa.Augmenter"], image: Image) -> tuple[Image, View]:
    """Augments an image and finds out what is left of it.

    Args:
        chain: The augmenters, one after the other.
        image: Is not changed.

    Returns:
        The new image, of the same size, and the view.

    Raises:
        InputError: if an augmenter changes the image's size or rotates, shears, bends or turns the image upside down.
            Neither boxes nor mini-masks could follow exactly.
    """
    from imgaug.augmentables import KeypointsOnImage
    from imgaug.augmentables.batches import Batch

    size = np.array(image.shape[:2])
    points = KeypointsOnImage.from_xy_array((GRID * size)[..., ::-1].reshape(9, 2), shape=image.shape)
    batch = Batch(images=[image], keypoints=[points]).to_batch_in_augmentation()  # a copy, changed in place
    window = shown = np.array([0, 0, *size], np.float64)
    mirrored = False
    for augmenter in chain:
        batch = augmenter.augment_batch_(batch)
        moved = batch.keypoints[0].to_xy_array()[:, ::-1].astype(np.float64).reshape(GRID.shape)
        if batch.images[0].shape != image.shape or not _is_upright(moved):
            raise InputError(
                "`augment` must keep the image's size, rows and columns, for boxes and mini-masks cannot follow a "
                f"rotation, a shear or an upside-down image; got {augmenter.name}."
            )
        window, mirrored = _read_window(moved, size)
        shown = np.concatenate([np.maximum(shown[:2], window[:2]), np.minimum(shown[2:], window[2:])])
    # A pixel is seen where its centre is.
    return batch.images[0], View(window, np.ceil(shown - 0.5).astype(np.int64), mirrored)


def _is_upright(points: Points) -> bool:
    """Tells whether moved points still form a regular grid, its rows from top to bottom."""
    start, stop = points[0, 0], points[2, 2]
    regular = start + GRID * (stop - start)
    return bool(np.abs(points - regular).max() < PIXEL_TOLERANCE and start[0] < stop[0] and start[1] != stop[1])


def _read_window(points: Points, size: Int[np.ndarray, "2"]) -> tuple[Window, bool]:
    """Returns the window of the original that moved points show, and whether it is mirrored."""
    start, stop = points[0, 0], points[2, 2]
    # A coordinate c of the original moves to start + c * scale; these two move to the new image's borders.
    scale = (stop - start) / size
    borders = np.sort([-start / scale, (size - start) / scale], axis=0)
    return np.round(borders.reshape(4), 2), bool(scale[1] < 0)
