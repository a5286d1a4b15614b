"""AP of each class over a whole split, as the protocols give it that draw one curve a class."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from maskrcnn.project.notation import Array


@dataclass(frozen=True)
class ClassScores:
    """AP of C classes at T thresholds.

    Attributes:
        ap: NaN for a class without truth, at every threshold.
    """

    ap: Float[Array, "T C"]

    def mean(self, thresholds: slice = slice(None)) -> float:
        """Returns the mean over thresholds and the classes with truth; NaN if there are none."""
        with_truth = self.ap[thresholds, ~np.isnan(self.ap[0])]
        return float(with_truth.mean()) if with_truth.size else float("nan")

    def by_class(self) -> list[float]:
        """Returns the mean over the thresholds of each class."""
        means: list[float] = self.ap.mean(axis=0).tolist()
        return means
