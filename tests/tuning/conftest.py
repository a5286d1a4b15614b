"""One runner of a real, tiny network for all tests of tuning: tracing it takes longer than training."""

import pytest

from maskrcnn.tuning.trial_runner import TrialRunner
from tests.learning.scenes import make_trainer, read_split, write_split


@pytest.fixture(scope="session")
def real_runner(tmp_path_factory: pytest.TempPathFactory) -> TrialRunner:
    training, validation = read_split(write_split(tmp_path_factory.mktemp("scenes")))
    return TrialRunner(make_trainer(training, "sgd"), training, validation)
