"""The types of the values of `params.yaml`, each with the range or the names that it allows."""

import re
from typing import Annotated, get_args

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from maskrcnn.project.notation import SIDE_MULTIPLE

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
FILE = r"^[^\x00]{1,200}$"
SHA256 = r"^[0-9a-fA-F]{64}$"
LARGEST = 2**31 - 1  # the networks count with 32 bits


def one_of(*names: str) -> str:
    """Returns the pattern of a text that must be one of some names."""
    return f"^({'|'.join(map(re.escape, names))})$"


def names_of(kind: object) -> tuple[str, ...]:
    """Returns the names that a type of `one_of` allows."""
    pattern: str = get_args(kind)[1].metadata[0].pattern
    return tuple(name.replace("\\", "") for name in pattern[2:-2].split("|"))


def check_devices(value: object) -> object:
    """Returns a number of devices or `all`; a union of both ranges would name two faults for one value."""
    if value == "all" or (type(value) is int and 1 <= value <= LARGEST):
        return value
    raise PydanticCustomError("devices", "at least 1, or all")


Count = Annotated[int, Field(ge=1, le=LARGEST)]
Workers = Annotated[int, Field(ge=1, le=256)]  # each holds a stack and two samples that were read ahead
Seed = Annotated[int, Field(ge=0, le=LARGEST)]
File = Annotated[str, Field(pattern=FILE)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
Score = Annotated[float, Field(ge=0, le=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=NAME)]  # becomes part of the paths of outputs
Side = Annotated[int, Field(ge=SIDE_MULTIPLE, multiple_of=SIDE_MULTIPLE)]
Shape = tuple[Count, Count]

OptimizerName = Annotated[str, Field(pattern=one_of("sgd", "adam"))]
Backbone = Annotated[str, Field(pattern=one_of("resnet14", "resnet26", "resnet50", "resnet101"))]
Backend = Annotated[str, Field(pattern=one_of("tensorflow", "jax"))]
Precision = Annotated[str, Field(pattern=one_of("float32", "mixed_bfloat16"))]
Devices = Annotated[int | str, BeforeValidator(check_devices)]
Layers = Annotated[str, Field(pattern=one_of("heads", "5+", "4+", "3+", "all"))]
Part = Annotated[str, Field(pattern=one_of("backbone", "fpn", "rpn_head", "box_head", "mask_head"))]
LossName = Annotated[
    str, Field(pattern=one_of("rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss"))
]
Fresh = Annotated[str, Field(pattern=one_of("fpn", "rpn_head", "box_head", "mask_head", "blocks"))]
ClassMap = Annotated[str, Field(pattern=one_of("coco", "cityscapes", "file"))]
Format = Annotated[str, Field(pattern=one_of("cityscapes", "coco"))]
Fit = Annotated[str, Field(pattern=one_of("stretch", "letterbox"))]
World = Annotated[str, Field(pattern=one_of("city", "countryside"))]
