"""The sections of `params.yaml` as frozen dataclasses.

The ranges of single values are in `maskrcnn.project.ranges`, the rules that join several in
`maskrcnn.project.rules`; `maskrcnn.readers.study` checks `params.yaml` against all of them.
"""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from maskrcnn.project.ranges import (
    LARGEST,
    Backbone,
    Backend,
    ClassMap,
    Count,
    Devices,
    File,
    Fit,
    Format,
    Fresh,
    Layers,
    LossName,
    Momentum,
    Name,
    NonNegative,
    OptimizerName,
    Part,
    Positive,
    Precision,
    Score,
    Seed,
    Sha256,
    Shape,
    Share,
    Side,
    Workers,
    World,
)

SYNTHETIC = "data/synthetic"  # the folder that `synthesize` draws
DRAWN = "drawn.txt"  # a file in it: what lies beside was drawn, and may be replaced


@dataclass(frozen=True)
class Runtime:
    """What the network runs on; the fields are keys of `params.yaml` itself, without a section.

    Args:
        backend: Of Keras, `tensorflow` or `jax`.
        precision: Type of the activations, `float32` or `mixed_bfloat16`; weights and losses are float32.
        deterministic: Whether the same training gives the same bits on a GPU too, where that costs time.
        devices: Devices that share the images of a batch, or `all`.
    """

    backend: Backend = "tensorflow"
    precision: Precision = "float32"
    deterministic: bool = True
    devices: Devices = "all"


@dataclass(frozen=True)
class Feeder:
    """How images are read; nothing here changes a result.

    Args:
        workers: Threads that read images; at most 256; None takes one for each core, up to 16.
        cache: Whether decoded images are kept on the disk, at the size that the network sees.
    """

    workers: Workers | None = None
    cache: bool = False


@dataclass(frozen=True)
class Data:
    """The raw data set.

    Args:
        root: Folder of images and annotations.
        image_shape: Height and width that every raw image must have, in pixels; None where sizes vary.
        licence: What may be done with the images, in words; the models that learn from them state it. None where nobody
            stated it; the key must be there, because DVC stops at a param that it follows and does not find.
        format: `cityscapes` or `coco`.
        classes: By the name of a class, the labels of the data set that it merges; None takes every label as a class.
    """

    root: str
    image_shape: Shape | None
    licence: str | None
    format: Format = "cityscapes"
    classes: dict[str, list[str]] | None = None


@dataclass(frozen=True)
class Synthesize:
    """The city that is drawn: seed, world and frames per city of each folder."""

    seed: Seed
    world: World
    train: dict[Name, Count]
    val: dict[Name, Count]


@dataclass(frozen=True)
class Preprocess:
    """The size that the network sees, and what a record holds.

    Args:
        image_shape: Height and width, multiples of 64.
        mini_mask_shape: Height and width of the mini-masks.
        instance_cap: Truths that an image is padded to.
        fit: How raw images get `image_shape`, `stretch` or `letterbox`, see `maskrcnn.data.images.fit_shape`.
    """

    image_shape: tuple[Side, Side]
    mini_mask_shape: Shape
    instance_cap: Count
    fit: Fit = "stretch"


@dataclass(frozen=True)
class Split:
    """The images that make a split.

    Args:
        images: Folder of the images below `data.root`.
        truth: Folder of the annotations below `data.root`; the JSON file where the format is `coco`.
        instance_maps: Whether the records keep the instance id of every pixel, which evaluation needs.
        cities: Folders below `images` and `truth`, only where the format is `cityscapes`; None takes all.
    """

    images: str
    truth: str
    instance_maps: bool
    cities: list[str] | None = None


@dataclass(frozen=True)
class Model:
    """The network's shape; the keys are arguments of `maskrcnn.network.model.build_mask_rcnn`."""

    backbone: Backbone
    backbone_width: Count
    fpn_channels: Count
    rpn_channels: Count
    box_channels: Count
    mask_channels: Count
    anchor_scales: tuple[Positive, Positive, Positive, Positive, Positive]
    canonical_roi_size: Positive
    num_candidates: Count


@dataclass(frozen=True)
class Sampling:
    """What the losses are taken over; the keys are arguments of `maskrcnn.learning.loss_model.LossModel`."""

    num_proposals: Count
    num_anchors: Count
    num_rois: Count
    positive_fraction: Share


@dataclass(frozen=True)
class TuningSchedule:
    """How long a network learns at a constant rate, and from how many images at a time.

    Args:
        steps: Batches in an epoch.
        live_batch_norm: Whether batch norm uses and updates batch statistics.
        gradient_accumulation: Parts that a batch is computed in, one after the other, to save memory; it must divide
            the batch size. The gradient is that of the whole batch.
        remat: Whether the activations of the backbone are computed again in the backward pass, to save memory.
    """

    seed: Seed
    batch_size: Count
    epochs: Count
    steps: Count
    validation_steps: Count
    live_batch_norm: bool = False
    gradient_accumulation: Count = 1
    remat: bool = False


@dataclass(frozen=True)
class Schedule(TuningSchedule):
    """The schedule of a final training.

    Args:
        cosine: Whether the learning rate falls to zero along a cosine, epoch by epoch; it is constant otherwise.
        patience: Epochs without a better validation loss before training ends.
        warmup_steps: Steps over which the learning rate rises linearly to its first value.
        base_batch_size: Batch size that the learning rate was found with; the rate is multiplied by `batch_size`
            divided by it. None leaves the rate as it is.
    """

    cosine: bool = False
    patience: Count | None = None
    warmup_steps: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    base_batch_size: Count | None = None


@dataclass(frozen=True)
class Hyperparameters:
    """What the study tunes.

    Args:
        optimizer: `sgd` or `adam`.
        momentum: SGD's momentum, Adam's beta_1.
        weight_decay: Multiplies the sum of `mean(w**2)` over all kernels and biases, as in Matterport.
    """

    optimizer: OptimizerName
    learning_rate: Positive
    momentum: Momentum
    weight_decay: NonNegative


@dataclass(frozen=True)
class Train:
    """Where the final trainings get their hyperparameters from, and how long they last."""

    hyperparameters: File
    schedule: Schedule


@dataclass(frozen=True)
class Variant:
    """One trained model.

    Args:
        start: The weights it starts from.
        layers: The layers that learn, see `set_learning_layers`.
        frozen: Parts among those that stay as they are: `fpn`, `rpn_head`.
        loss_weights: Weights of losses that are not 1.
        augment: Strength of each augmentation of the training images, see `maskrcnn.data.augmentation.build_chain`.
    """

    start: File
    layers: Layers
    frozen: list[Part] = field(default_factory=list)
    loss_weights: dict[LossName, NonNegative] = field(default_factory=dict)
    augment: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = field(default_factory=dict)


@dataclass(frozen=True)
class StartWeights:
    """A released file and the network that it becomes complete start weights of.

    Args:
        path: The file.
        backbone: The network's, which takes the place of the model's own.
        seed: Draws what the file does not hold.
        fresh: What the file need not hold: `fpn`, `rpn_head`, `box_head`, `mask_head`, or `blocks`, the deeper ones.
        class_map: The file's set of classes, `coco`, `cityscapes`, or `file` for the names that it carries; the heads
            take over the rows of equal names.
        sha256: The file's own; None leaves it to the digest that was published with the file.
    """

    path: File
    backbone: Backbone
    seed: Seed
    fresh: list[Fresh] = field(default_factory=list)
    class_map: ClassMap | None = None
    sha256: Sha256 | None = None


@dataclass(frozen=True)
class Babysit:
    """The training on a reduced split, validated on itself, that shows whether the network learns at all.

    Args:
        fall: Share by which the loss must fall.
    """

    start: File
    layers: Layers
    backbone: Backbone
    fall: Annotated[float, Field(lt=1, allow_inf_nan=False)]
    hyperparameters: Hyperparameters
    schedule: TuningSchedule


@dataclass(frozen=True)
class Candidate:
    """One combination of the coarse comparison; `start` is `pins/random_weights.txt` for random weights."""

    start: File
    backbone: Backbone
    optimizer: OptimizerName


@dataclass(frozen=True)
class Coarse:
    """The comparison of candidates, each at every learning rate.

    Args:
        comparisons: By the name of what is compared, the candidates that differ in it alone.
    """

    layers: Layers
    learning_rates: Annotated[list[Positive], Field(min_length=2)]
    momentum: Momentum
    weight_decay: NonNegative
    comparisons: dict[str, list[str]]
    schedule: TuningSchedule


@dataclass(frozen=True)
class SearchSpace:
    """Ranges, low and high, of one optimizer's search; a learning rate of None takes the coarse interval."""

    learning_rate: tuple[Positive, Positive] | None
    weight_decay: tuple[Positive, Positive]
    momentum: tuple[Momentum, Momentum]


@dataclass(frozen=True)
class Hyperband:
    """The search for hyperparameters; the schedule's epochs are those of the longest trials."""

    start: File
    layers: Layers
    factor: Annotated[int, Field(ge=2, le=LARGEST)]
    iterations: Count
    schedule: TuningSchedule


@dataclass(frozen=True)
class Select:
    """What overrules the tuned hyperparameters; None leaves them."""

    optimizer: OptimizerName | None
    learning_rate: Positive | None
    momentum: Momentum | None
    weight_decay: NonNegative | None


@dataclass(frozen=True)
class Pretrain:
    """The other synthetic world that the demo's start weights come from, and how they learn."""

    world: World
    seed: Seed
    frames: Count
    validation_frames: Count
    hyperparameters: Hyperparameters
    schedule: Schedule


@dataclass(frozen=True)
class Predict:
    """What inference finds and keeps: settings of `maskrcnn.inference.detect_batch` and of the proposals."""

    batch_size: Count
    num_proposals: Count
    num_detections: Count
    min_confidence: Score
    detection_nms_iou: Score


@dataclass(frozen=True)
class Draw:
    """What the pictures of the test images show.

    Args:
        images: Test images that are drawn, spread over the split.
        min_score: Objects below it are not drawn, and `evaluate` does not count them as errors or confusions.
        proposals: Regions of interest drawn in an image, the best ones.
        confusions: Pairs of classes drawn, those taken for each other most often.
        crops: Objects drawn of each such pair.
    """

    images: Count
    min_score: Score
    proposals: Count
    confusions: Count
    crops: Count


@dataclass(frozen=True)
class Compare:
    """The variant that stands on the left where two are drawn side by side."""

    reference: str


@dataclass(frozen=True)
class Headline:
    """The variant whose scores metrics/ap.json holds."""

    variant: str


@dataclass(frozen=True)
class Study:
    """All of `params.yaml`; the keys of `Runtime` have no section."""

    scale: str
    backend: Backend
    precision: Precision
    deterministic: bool
    devices: Devices
    feeder: Feeder
    data: Data
    synthesize: dict[Name, Synthesize]
    preprocess: Preprocess
    splits: dict[Name, Split]
    model: Model
    sampling: Sampling
    pretrain: Pretrain
    weights: dict[Name, StartWeights]
    babysit: Babysit
    coarse: Coarse
    candidates: dict[Name, Candidate]
    hyperband: Hyperband
    search: dict[OptimizerName, SearchSpace]
    select: Select
    train: Train
    variants: dict[Name, Variant]
    predict: Predict
    draw: Draw
    compare: Compare
    headline: Headline
