"""One bench with a true, tiny network for all tests of tuning: tracing it takes longer than learning."""

import pytest

from maskrcnn.tuning.bench import Bench
from tests.learning.scenes import make_learner, read_split, write_split


@pytest.fixture(scope="session")
def true_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    training, validation = read_split(write_split(tmp_path_factory.mktemp("scenes")))
    return Bench(make_learner(training, "sgd"), training, validation)
