"""Damaged and lying state files of trainings and of trials: recovered or refused by name, at once and in little memory.

The variable FUZZ sets how many files are tried.
"""

import os
import random
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from maskrcnn.learning.states import path_before
from maskrcnn.project.errors import InputError
from tests.learning.arithmetic import STEPS
from tests.learning.state_damage import damage, resume, resume_trial, write_training, write_trial

pytestmark = pytest.mark.one_backend

COUNT = int(os.environ.get("FUZZ", "300"))
LONGEST = 2.0  # seconds


@pytest.fixture(params=["training", "trial"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Path]:
    """What resumes from a state file, and a whole one."""
    if request.param == "trial":
        return resume_trial, write_trial(tmp_path)
    return resume, write_training(tmp_path)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_damaged_states_are_refused_by_name_or_recovered(saved: tuple[Any, Path]) -> None:
    run, path = saved
    whole, before = path.read_bytes(), path_before(path)
    expected = run(path)
    refused = 0
    for seed in range(COUNT):
        dice = random.Random(seed)
        path.write_bytes(whole)
        damage(dice, path)
        damaged = path.read_bytes()
        before.unlink(missing_ok=True)
        start = time.process_time()
        try:
            run(path)
        except InputError as error:
            refused += 1
            assert str(path) in str(error), seed
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        assert time.process_time() - start < LONGEST, seed
        path.write_bytes(damaged)
        before.write_bytes(whole)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert run(path) <= expected + STEPS, seed
    assert refused > COUNT / 2
