"""A process of a search that several share: `python -m tests.tuning.worker FOLDER`; the trainer is a fake."""

import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from stages import hyperband
from tests.tuning.fakes import STEPS, FakeTrainer


class Slow(FakeTrainer):
    """A fake trainer that takes its time, so that two have something to share."""

    def learn(self, *arguments: Any, **keywords: Any) -> pd.DataFrame:
        time.sleep(0.5)
        return super().learn(*arguments, **keywords)


if __name__ == "__main__":
    trainer = Slow()
    hyperband.assemble = lambda *_: (trainer, range(STEPS), None)  # type: ignore[assignment]
    hyperband.check_splits = lambda *_: None  # type: ignore[assignment]
    hyperband.main("sgd", Path(sys.argv[1]))
    print(f"learned {len(trainer.learned)} epochs")
