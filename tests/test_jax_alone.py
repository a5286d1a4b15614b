"""JAX without TensorFlow: weights, detection and a training step in a process that cannot import it."""

import os
import subprocess
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


class Forbidden(MetaPathFinder):
    """Makes TensorFlow look as if it was not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_jax_needs_no_tensorflow(tmp_path: Path):
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
    }
    subprocess.run([sys.executable, __file__, str(tmp_path)], env=environment, cwd=ROOT, check=True)


def work(folder: Path) -> None:
    """Reads and writes weights, finds, feeds and learns; and loads every stage."""
    import math
    from importlib import import_module

    import maskrcnn
    from maskrcnn.project.config import Hyperparameters
    from tests.learning.scenes import make_trainer, read_split, write_split
    from tests.tiny import draw_scene, network

    for stage in sorted(Path("stages").glob("*.py")):
        import_module(f"stages.{stage.stem}")

    maskrcnn.write_weights(network(), folder / "start.h5")
    assert not maskrcnn.load_matterport(network(), folder / "start.h5").missing
    found = maskrcnn.detect(network(), draw_scene(1)[0], min_confidence=0.0, max_count=5)
    assert found.masks.shape == (5, 64, 64)
    assert maskrcnn.inspect(network(), draw_scene(1)[0])["proposals"].any()

    training, validation = read_split(write_split(folder))
    trainer = make_trainer(training, "adam")
    trainer.reset(Hyperparameters("adam", learning_rate=1e-4, momentum=0.9, weight_decay=1e-4))
    losses = trainer.learn(training, validation, epochs=1)
    assert math.isfinite(losses["val_loss"].iloc[-1])


if __name__ == "__main__":
    sys.meta_path.insert(0, Forbidden())
    work(Path(sys.argv[1]))
    assert not [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
