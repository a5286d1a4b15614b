"""The facts of the tests' networks."""

from maskrcnn.network.facts import Facts
from maskrcnn.project.config import Model
from tests.network.weights.files import NARROW
from tests.tiny import SHAPE

FACTS = Facts(
    class_names=("red", "green", "blue"),
    image_shape=SHAPE,
    architecture=Model(
        backbone="resnet14",
        anchor_scales=(8.0, 16.0, 32.0, 48.0, 64.0),
        canonical_roi_size=24.0,
        num_candidates=400,
        **NARROW,
    ),
    fit="letterbox",
    class_colors=((200, 0, 0), (0, 200, 0), (0, 0, 200)),
    licence="CC BY 4.0",
    packages={"keras": "3.15.1"},
    metrics={"val_loss": 0.25},
)
