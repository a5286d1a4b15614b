"""The hyperparameters: one frozen dataclass a section of `params.yaml`, and its strict reader."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML

Section = TypeVar("Section")
Shape = tuple[int, int]


@dataclass(frozen=True)
class Data:
    """Where the raw images lie and how large they are."""

    root: str
    image_shape: Shape


@dataclass(frozen=True)
class Synthesize:
    """The city that is drawn: seed, world and frames per city of each folder."""

    seed: int
    world: str
    train: dict[str, int]
    val: dict[str, int]


@dataclass(frozen=True)
class Preprocess:
    """The size that the network sees, and what a record holds."""

    image_shape: Shape
    mini_mask_shape: Shape
    instance_cap: int


@dataclass(frozen=True)
class Split:
    """The cities of one folder that make a split."""

    folder: str
    cities: list[str]
    instance_maps: bool


@dataclass(frozen=True)
class Model:
    """The network's shape; the keys are arguments of `maskrcnn.model.MaskRCNN`."""

    backbone: str
    backbone_width: int
    fpn_channels: int
    rpn_channels: int
    box_channels: int
    mask_channels: int
    anchor_scales: tuple[float, ...]
    canonical_roi_size: float
    num_candidates: int


@dataclass(frozen=True)
class Sampling:
    """What the losses are taken over; the keys are arguments of `maskrcnn.training.Trainee`."""

    num_proposals: int
    num_anchors: int
    num_rois: int
    positive_fraction: float


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network learns.

    Args:
        steps: Batches in an epoch.
        cosine: Whether the learning rate falls to zero along a cosine; it is constant otherwise.
        patience: Epochs without a better validation loss before training ends.
    """

    seed: int
    batch_size: int
    epochs: int
    steps: int
    validation_steps: int
    optimizer: str
    learning_rate: float
    cosine: bool
    momentum: float
    weight_decay: float
    live_batch_norm: bool
    patience: int


@dataclass(frozen=True)
class Variant:
    """One trained model: the weights it starts from and the layers that learn."""

    start: str
    layers: str


@dataclass(frozen=True)
class Pretrain:
    """The other synthetic world that the demo's start weights come from."""

    world: str
    seed: int
    frames: int
    validation_frames: int


@dataclass(frozen=True)
class Predict:
    """What inference keeps: the keys are arguments of `maskrcnn.model.MaskRCNN`, but for the batch size."""

    batch_size: int
    num_proposals: int
    num_detections: int
    min_confidence: float
    detection_nms_iou: float


@dataclass(frozen=True)
class Draw:
    """How many test images are drawn, and the score below which an object is left out."""

    images: int
    min_score: float


def read_params(path: Path) -> dict[str, Any]:
    """Reads a YAML 1.2 file, in which 1e-05 is a number.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run the stage in the root of the repository.")
    params = YAML(typ="safe").load(path)
    if not isinstance(params, dict):
        raise ValueError(f"`{path}` must be a mapping of sections; got {type(params).__name__}.")
    return params


def read_section(kind: type[Section], values: Any, name: str) -> Section:
    """Builds the dataclass of one section; every key must be known, present and of its type.

    Args:
        kind: The frozen dataclass.
        values: The section as read from YAML.
        name: The section's dotted name, for the error.

    Raises:
        ValueError: naming all unknown, missing and mistyped keys at once.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"`{name}` must be a section of params.yaml; got {values!r}.")
    types = get_type_hints(kind)
    required = {field.name for field in fields(kind) if field.default is MISSING}  # type: ignore[arg-type]
    faults = [f"`{name}.{key}` is unknown" for key in values.keys() - types.keys()]
    faults += [f"`{name}.{key}` is missing" for key in required - values.keys()]
    converted = {}
    for key in types.keys() & values.keys():
        try:
            converted[key] = _convert(types[key], values[key], f"{name}.{key}")
        except ValueError as fault:
            faults.append(str(fault))
    if faults:
        raise ValueError(f"params.yaml must fit {kind.__name__}; " + "; ".join(sorted(faults)) + ".")
    return kind(**converted)


def _convert(kind: Any, value: Any, name: str) -> Any:
    """Returns the value as the annotated type: lists become tuples, whole numbers floats."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return None if value is None else _convert(arguments[0], value, name)
    if origin is tuple and isinstance(value, list):
        if Ellipsis not in arguments and len(value) != len(arguments):
            raise ValueError(f"`{name}` must have {len(arguments)} entries; got {value!r}")
        return tuple(_convert(arguments[0], item, name) for item in value)
    if origin is list and isinstance(value, list):
        return [_convert(arguments[0], item, name) for item in value]
    if origin is dict and isinstance(value, Mapping):
        return {key: _convert(arguments[1], item, f"{name}.{key}") for key, item in value.items()}
    if kind is float and type(value) in (int, float):
        return float(value)
    if origin is None and type(value) is kind:
        return value
    raise ValueError(f"`{name}` must be {getattr(kind, '__name__', kind)}; got {value!r}")
