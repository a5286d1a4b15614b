"""What a model is beside its weights: its classes, its images, its network, and where it comes from.

A `.h5` file carries the facts as one JSON text, so that it can be used without the settings it was trained with.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import Field

from maskrcnn.project.config import Model
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import SIDE_MULTIPLE
from maskrcnn.project.palette import Color, spread_colors
from maskrcnn.project.params import build
from maskrcnn.project.ranges import Fit, Side, names_of

BACKGROUND = "background"
MAX_BYTES = 64_000  # HDF5 keeps an attribute of more than 64 KiB in another place
MAX_PIXELS = 2**26  # of an image; the anchors alone take 4 bytes for each
LONGEST_TEXT, LONGEST_MESSAGE = 500, 1000  # characters
DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax", "jaxlib")}

Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Preprocessing:
    """How an image file becomes what the network computes with.

    Args:
        version: Rises whenever the same file gives other numbers.
        color_order: Of the channels.
        channel_means: What is subtracted from them.
        shrinking: How pixels are averaged where the image gets smaller.
        enlarging: How they are interpolated where it gets larger.
        padding: Where black pixels are added if the image is letterboxed.
    """

    version: int
    color_order: str
    channel_means: tuple[Finite, Finite, Finite]
    shrinking: str
    enlarging: str
    padding: str


PREPROCESSING = Preprocessing(
    version=1,
    color_order="RGB",
    channel_means=(123.7, 116.8, 103.9),  # of the images that the released weights were trained on
    shrinking="area",
    enlarging="linear",
    padding="bottom and right",
)

MATTERPORT = Model(  # what build_mask_rcnn builds by default
    backbone="resnet101",
    backbone_width=64,
    fpn_channels=256,
    rpn_channels=512,
    box_channels=1024,
    mask_channels=256,
    anchor_scales=(32.0, 64.0, 128.0, 256.0, 512.0),
    canonical_roi_size=224.0,
    num_candidates=6000,
)


@dataclass(frozen=True)
class Facts:
    """What a model is beside its weights.

    Args:
        class_names: In the order of the class ids, from 1; the background, 0, is not listed.
        image_shape: Height and width of the images that the network takes, in pixels.
        architecture: Arguments of `build_mask_rcnn`; Matterport's if not given.
        fit: How images are brought to that size, `stretch` or `letterbox`; see `maskrcnn.data.images.fit_shape`.
        class_colors: Red, green and blue of each class, from 0 to 255; by default a palette for colour-blind readers.
        preprocessing: How image files become what the network computes with.
        licence: Of the data that it learned from; None where nobody stated it.
        commit: Of the code that made it, where the writer named it. The pipeline does not: the same training gives
            the same bytes at every commit.
        packages: Version of each package that results depend on, by its name.
        metrics: Losses of the best epoch, by name.
    Raises:
        InputError: if names, colours or sides contradict each other, or a text is too long or cannot be printed.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[Side, Side]
    architecture: Model = MATTERPORT
    fit: Fit = "stretch"
    class_colors: tuple[Color, ...] = ()
    preprocessing: Preprocessing = PREPROCESSING
    licence: str | None = None
    commit: str | None = None
    packages: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Finite] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.class_names, str) or not all(isinstance(name, str) for name in self.class_names):
            raise InputError(f"`class_names` must be a list of texts; got {_show(self.class_names)}.")
        for name in ("class_names", "image_shape"):  # lists compare unequal to what is read from a file
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.class_colors:
            object.__setattr__(self, "class_colors", spread_colors(len(self.class_names) + 1)[1:])
        if fault := next(_find_faults(self), None):
            raise InputError(f"{fault}.")

    @property
    def class_count(self) -> int:
        """Classes of the network's heads, background included."""
        return len(self.class_names) + 1


def _find_faults(facts: Facts) -> Iterator[str]:
    """Yields what contradicts itself, cannot be printed, or is too large."""
    names, (height, width) = facts.class_names, facts.image_shape
    if not names:
        yield "`class_names` must hold at least one class; got none"
    if len({BACKGROUND, *names}) <= len(names):
        yield f"`class_names` must be different from each other and from {BACKGROUND}; got {_show(names)}"
    for name in names:
        if {"", ".", ".."} & {*name.replace("\\", "/").split("/")}:
            yield f"`class_names` must hold names, not paths; got {_show(name)}"
    if len(facts.class_colors) != len(names):
        yield f"`class_colors` must hold {len(names)} colours, one for each class; got {len(facts.class_colors)}"
    if not all(0 <= channel <= 255 for color in facts.class_colors for channel in color):
        yield "`class_colors` must be from 0 to 255; got others"
    if min(height, width) < 1 or height % SIDE_MULTIPLE or width % SIDE_MULTIPLE or height * width > MAX_PIXELS:
        rule = f"two multiples of {SIDE_MULTIPLE} with at most {MAX_PIXELS} pixels"
        yield f"`image_shape` must be {rule}; got {height} x {width}"
    if facts.fit not in names_of(Fit):
        yield f"`fit` must be one of {', '.join(names_of(Fit))}; got {_show(facts.fit)}"
    if spoiled := [name for name, value in facts.metrics.items() if not math.isfinite(value)]:
        yield f"`metrics` must be finite; got {facts.metrics[spoiled[0]]} for {_show(spoiled[0])}"
    if not all(map(math.isfinite, facts.preprocessing.channel_means)):
        yield f"`preprocessing.channel_means` must be finite; got {facts.preprocessing.channel_means}"
    texts = [*names, facts.licence or "", facts.commit or "", *facts.packages, *facts.packages.values(), *facts.metrics]
    for text in texts:
        if len(text) > LONGEST_TEXT or not text.isprintable():
            yield f"Names and texts must be printable, of at most {LONGEST_TEXT} characters; got {_show(text)}"
    if (size := len(_to_json(facts))) > MAX_BYTES:
        yield f"All facts must fit into {MAX_BYTES} bytes of JSON; got {size}, use fewer or shorter class names"


def _show(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 200 else f"{shown[:200]}..."


def _to_json(facts: Facts) -> bytes:
    return json.dumps(asdict(facts), sort_keys=True, allow_nan=False).encode()


def encode_facts(facts: Facts) -> bytes:
    """Returns the facts as a JSON text; equal facts give equal bytes."""
    return _to_json(facts)


def decode_facts(text: bytes, path: Path) -> Facts:
    """Returns the facts of a JSON text; the inverse of `encode_facts`.

    Args:
        text: Of any content.
        path: The file that holds it, for the errors.
    Raises:
        InputError: if it is not JSON, or naming the keys that are missing, unknown or out of their range.
    """
    try:
        values = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeated)
    except (ValueError, RecursionError) as fault:
        words = " ".join(str(fault).split())[:200]
        raise InputError(f"`{path}` must carry its facts as JSON; got what cannot be read ({words}).") from None
    if not isinstance(values, dict) or (missing := [key.name for key in fields(Facts) if key.name not in values]):
        words = f"no {', '.join(missing)}" if isinstance(values, dict) else f"a {type(values).__name__}"
        raise InputError(f"`{path}` must carry all facts; got {words}. Another program wrote them.")
    try:
        return build(Facts, values, "", path)
    except InputError as fault:
        raise InputError(str(fault)[:LONGEST_MESSAGE]) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"the number {name}")


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the pairs as a dictionary; JSON allows a key twice, and readers differ in which one they take."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key that occurs twice")
    return dict(pairs)


def list_packages(backend: str) -> dict[str, str]:
    """Returns the installed versions of the packages that a training's numbers depend on.

    Args:
        backend: Of Keras, `tensorflow` or `jax`.
    """
    names = ("keras", "numpy", "opencv-python-headless", *DISTRIBUTIONS[backend])
    return {name.removesuffix("-cpu"): found for name in names if (found := _find_version(name))}


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
