"""A process of a search that several share: `python -m tests.tuning.worker FOLDER`; the network only pretends."""

import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from stages import hyperband
from tests.tuning.fakes import FakeLearner, make_bench


class Slow(FakeLearner):
    """A fake learner that takes its time, so that two have something to share."""

    def learn(self, *arguments: Any, **keywords: Any) -> pd.DataFrame:
        time.sleep(0.5)
        return super().learn(*arguments, **keywords)


if __name__ == "__main__":
    bench = make_bench()
    bench.learner = Slow()
    hyperband.set_up_bench = lambda *_, **__: bench
    hyperband.main("sgd", Path(sys.argv[1]))
    print(f"learned {len(bench.learner.learned)} epochs")
