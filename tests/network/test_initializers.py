"""Random start weights: the distribution is Keras', the numbers are NumPy's on every backend."""

import keras
import numpy as np
import pytest

from maskrcnn.network.initializers import GlorotUniform

SHAPES = [(300, 200), (3, 3, 64, 128), (128, 2, 2, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_range_is_that_of_keras(shape: tuple[int, ...]) -> None:
    ours, theirs = (
        np.sort(np.asarray(initializer(shape)).ravel())
        for initializer in (GlorotUniform(seed=1), keras.initializers.GlorotUniform(seed=1))
    )
    limit = theirs[-1]
    np.testing.assert_allclose(ours, theirs, atol=0.03 * limit)  # the quantiles of two samples


def test_a_seed_gives_the_same_weights_on_every_backend() -> None:
    weights = np.asarray(GlorotUniform(seed=5)((2, 3)))
    expected = [[0.3741822, 0.6682278, -1.0458145], [0.6746645, -0.0682421, 0.0335766]]
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_without_a_seed_layers_differ_and_the_seed_of_the_process_repeats_them() -> None:
    def draw() -> list[np.ndarray]:
        keras.utils.set_random_seed(2)
        return [np.asarray(GlorotUniform()((4, 4))) for _ in range(2)]

    first, again = draw(), draw()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(*first)
