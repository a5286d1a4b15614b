"""The hyperparameters: one frozen dataclass a section of `params.yaml`."""

from dataclasses import dataclass, field

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
    """The network's shape; the keys are arguments of `maskrcnn.network.model.MaskRCNN`."""

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
    """What the losses are taken over; the keys are arguments of `maskrcnn.learning.LossModel`."""

    num_proposals: int
    num_anchors: int
    num_rois: int
    positive_fraction: float


@dataclass(frozen=True)
class Schedule:
    """How long a network learns, and from how many images at a time.

    Args:
        steps: Batches in an epoch.
        cosine: Whether the learning rate falls to zero along a cosine, epoch by epoch; it is constant otherwise.
        patience: Epochs without a better validation loss before training ends.
    """

    seed: int
    batch_size: int
    epochs: int
    steps: int
    validation_steps: int
    cosine: bool = False
    live_batch_norm: bool = False
    patience: int | None = None


@dataclass(frozen=True)
class Hyperparameters:
    """What the study tunes.

    Args:
        optimizer: `sgd` or `adam`.
        momentum: SGD's momentum, Adam's beta_1.
        weight_decay: In Matterport's unit: times the mean square of every kernel and bias.
    """

    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float


@dataclass(frozen=True)
class Train:
    """Where the final trainings get their hyperparameters from, and how long they last."""

    hyperparameters: str
    schedule: Schedule


@dataclass(frozen=True)
class Variant:
    """One trained model.

    Args:
        start: The weights it starts from.
        layers: The layers that learn, see `set_learning_layers`.
        frozen: Parts among those that do not learn all the same: `fpn`, `rpn_head`.
        loss_weights: Weights of losses that are not 1.
        augment: Augmentations of the training images, in their order.
    """

    start: str
    layers: str
    frozen: list[str] = field(default_factory=list)
    loss_weights: dict[str, float] = field(default_factory=dict)
    augment: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StartWeights:
    """A released file and the network that it becomes complete start weights of.

    Args:
        path: The file.
        backbone: The network's, which takes the place of the model's own.
        seed: Draws what the file does not hold.
        fresh: What the file need not hold: `fpn`, `rpn_head`, `box_head`, `mask_head`, or `blocks`, the deeper ones.
        class_map: Set of classes whose rows the heads take over where both sets have them: `coco`.
        sha256: The file's own; None leaves it to the digest that was published with the file.
    """

    path: str
    backbone: str
    seed: int
    fresh: list[str] = field(default_factory=list)
    class_map: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Babysit:
    """The training on a reduced split, validated on itself, that shows whether the network learns at all.

    Args:
        fall: Share by which the loss must fall.
    """

    start: str
    layers: str
    backbone: str
    fall: float
    hyperparameters: Hyperparameters
    schedule: Schedule


@dataclass(frozen=True)
class Candidate:
    """One combination of the coarse comparison; `start` is `pins/random_weights.txt` for random weights."""

    start: str
    backbone: str
    optimizer: str


@dataclass(frozen=True)
class Coarse:
    """The comparison of candidates, each at every learning rate.

    Args:
        comparisons: By the name of what is compared, the candidates that differ in it alone.
    """

    layers: str
    learning_rates: list[float]
    momentum: float
    weight_decay: float
    comparisons: dict[str, list[str]]
    schedule: Schedule


@dataclass(frozen=True)
class SearchSpace:
    """Ranges, low and high, of one optimizer's search; a learning rate of None takes the coarse interval."""

    learning_rate: tuple[float, float] | None
    weight_decay: tuple[float, float]
    momentum: tuple[float, float]


@dataclass(frozen=True)
class Hyperband:
    """The search for hyperparameters: Hyperband with its own `max_epochs` in the place of the schedule's epochs."""

    start: str
    layers: str
    factor: int
    iterations: int
    schedule: Schedule


@dataclass(frozen=True)
class Select:
    """What overrules the tuned hyperparameters; None leaves them."""

    optimizer: str | None
    learning_rate: float | None
    momentum: float | None
    weight_decay: float | None


@dataclass(frozen=True)
class Pretrain:
    """The other synthetic world that the demo's start weights come from, and how they learn."""

    world: str
    seed: int
    frames: int
    validation_frames: int
    hyperparameters: Hyperparameters
    schedule: Schedule


@dataclass(frozen=True)
class Predict:
    """What inference finds and keeps: settings of `maskrcnn.inference.detect_batch` and of the proposals."""

    batch_size: int
    num_proposals: int
    num_detections: int
    min_confidence: float
    detection_nms_iou: float


@dataclass(frozen=True)
class Draw:
    """What the pictures of the test images show.

    Args:
        images: Test images that are drawn, spread over the split.
        min_score: Objects below it are left out.
        proposals: Regions of interest drawn in an image, the best ones.
        confusions: Pairs of classes drawn, those taken for each other most often.
        crops: Objects drawn of each such pair.
    """

    images: int
    min_score: float
    proposals: int
    confusions: int
    crops: int


@dataclass(frozen=True)
class Compare:
    """The variant that stands on the left where two are drawn side by side."""

    reference: str


@dataclass(frozen=True)
class Report:
    """The variant whose scores metrics/ap.json holds."""

    variant: str
