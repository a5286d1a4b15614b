"""Quiet, deterministic and typed: what every test runs under."""

import os
import random
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# The type checker draws which item of a sequence it looks at. It gets a generator of its own, because Keras draws the
# weights of the tests' networks from the global one.
with mock.patch("random.getrandbits", random.Random(0).getrandbits):
    import beartype  # noqa: F401

install_import_hook(
    [
        "maskrcnn.data",
        "maskrcnn.readers",
        "maskrcnn.street",
        "maskrcnn.network.model",
        "maskrcnn.network.ops",
        "maskrcnn.learning",
        "maskrcnn.results",
        "maskrcnn.scoring",
        "maskrcnn.pictures",
        "maskrcnn.project",
        "maskrcnn.report",
    ],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",  # an int passes for a float
)

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    """Lets JAX take a program that a test of an earlier run, or of another process, compiled from pytest's cache."""
    if os.environ.get("KERAS_BACKEND") == "jax":
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Starts every test with the same dice.

    Keras draws its seeds from Python's generator. `keras.utils.set_random_seed` would also import TensorFlow and set
    its global seed, from which nothing is drawn; and then TensorFlow optimises every graph once more.
    """
    random.seed(2021)
    np.random.seed(2021)
