"""The device of a command: what is said where the backend does not see it."""

import keras
import pytest

from maskrcnn.cli.backend import check_device
from maskrcnn.network.devices import choose_devices
from maskrcnn.project.errors import InputError


@pytest.fixture(params=[RuntimeError("Unknown backend: 'gpu' requested"), AssertionError()])
def no_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the backend see no device, as JAX does: it raises where TensorFlow returns an empty list."""

    def fail(kind: str | None = None) -> None:
        raise request.param

    monkeypatch.setattr(keras.distribution, "list_devices", fail)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")


@pytest.mark.usefixtures("no_device")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"`--device` must be one that \w+ sees; got gpu:1\. `make install BACKEND="):
        check_device("gpu:1")


@pytest.mark.usefixtures("no_device")
def test_platforms_that_do_not_start_are_named() -> None:
    rule = "`JAX_PLATFORMS` must name platforms that JAX can use; got cuda, which fails with: (Unknown|Asser)"
    with pytest.raises(InputError, match=rule):
        check_device("auto")
    with pytest.raises(InputError, match=rule):
        choose_devices("all")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_device_that_is_there_is_accepted(device: str) -> None:
    check_device(device)
