"""The devices that share the images of a batch: `keras.distribution` on JAX, `tf.distribute` on TensorFlow.

With JAX the devices may belong to several processes, on one machine or several, see docs/scale.md.

Every device holds all weights and computes its part of each batch. JAX computes with the whole batch, wherever its
parts lie. TensorFlow computes with each part alone, so that sums over the batch need `mean_over_devices` and
`sum_over_devices`. With one device, or outside of `spread`, these return what they are given.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import keras
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Array

ADDRESS = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


@contextmanager
def spread(devices: int | str) -> Iterator[int]:
    """Makes several devices share the batches of the models that are built within.

    Network, optimizer and metrics must all be built within. One device works as if there was no `spread`.

    Args:
        devices: How many, or `all`.
    Yields:
        How many there are.
    Raises:
        InputError: if there are not so many, or if several processes share a training on fewer than all.
    """
    join_processes()
    chosen = choose_devices(devices)
    with _distribution(*chosen).scope() if len(chosen) > 1 else nullcontext():
        yield len(chosen)


def choose_devices(devices: int | str) -> list[str]:
    """Returns the names of the first devices of the backend: GPUs if it sees any, CPUs otherwise.

    Args:
        devices: How many, or `all`.
    Raises:
        InputError: if there are not so many, or if JAX does not start.
    """
    names = list_devices()
    count = len(names) if devices == "all" else int(devices)
    if count > len(names):
        raise InputError(
            f"`devices` must be all or at most {len(names)}, the devices that {keras.backend.backend()} sees "
            f"({', '.join(names)}); got {devices}."
        )
    if count < len(names) and count_processes() > 1:
        raise InputError(f"`devices` must be all where several processes share a training; got {devices}.")
    return names[:count]


def list_devices(kind: str | None = None) -> list[str]:
    """Returns the names of the devices that the backend sees.

    Args:
        kind: `gpu` or `cpu`; None for GPUs if it sees any, and CPUs otherwise.
    Raises:
        InputError: if JAX can use none of the platforms that its variable names.
    """
    try:
        return list(keras.distribution.list_devices(kind))
    except (RuntimeError, AssertionError) as fault:  # of JAX; one has no message
        if kind is not None:
            return []
        raise InputError(
            f"`JAX_PLATFORMS` must name platforms that JAX can use; got {os.environ.get('JAX_PLATFORMS', 'none')}, "
            f"which fails with: {str(fault) or type(fault).__name__}"
        ) from fault


def computes_parts() -> bool:
    """Returns whether each of several devices computes with its part of a batch alone."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync > 1


def mean_over_devices(value: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the mean of what each device has computed, on every device."""
    context = _replica_context()
    return context.all_reduce("MEAN", value) if context else value


def sum_over_devices(values: Sequence[Any]) -> Sequence[Any]:
    """Returns, for each of some arrays, the sum of what each device has computed, on every device."""
    context = _replica_context()
    return context.all_reduce("SUM", list(values)) if context else values


def wait_for(values: Any) -> None:
    """Waits until the device has computed some values, without reading them.

    On TensorFlow it does nothing: a step whose loops end when the data say so returns when it is nearly done.
    """
    if keras.backend.backend() == "jax":
        import jax

        jax.block_until_ready(values)


def read_copies(variable: Any) -> ndarray:
    """Returns what each device holds of a variable that is summed over the devices when it is read: (devices, ...).

    Where the devices hold the same, as everywhere but on several devices of TensorFlow, it is one copy.
    """
    copies = getattr(variable.value, "values", [variable])
    return np.stack([np.asarray(copy) for copy in copies])


def write_copies(variable: Any, copies: ndarray) -> None:
    """Restores a variable, the inverse of `read_copies`; for another number of devices it keeps the sum alone."""
    held = getattr(variable.value, "values", [variable])
    if len(copies) != len(held):
        copies = np.stack([copies.sum(axis=0), *[np.zeros_like(copies[0])] * (len(held) - 1)])
    for copy, value in zip(held, copies, strict=True):
        copy.assign(value)


def share_images(network: keras.Model, images: ndarray) -> Any:
    """Returns a batch of images whose equal parts lie on the devices that the network was built on.

    It is the batch itself if there is one device, or if the devices cannot share it equally. On TensorFlow a batch with
    parts is one that `run` of the network's strategy takes.
    """
    if keras.backend.backend() == "jax":
        from jax import device_put
        from jax.sharding import NamedSharding, PartitionSpec

        replicated = network.variables[0].value.sharding
        if not isinstance(replicated, NamedSharding) or len(images) % replicated.mesh.size:
            return images
        return device_put(images, NamedSharding(replicated.mesh, PartitionSpec(*replicated.mesh.axis_names)))
    strategy = network.distribute_strategy
    count = strategy.num_replicas_in_sync
    if count == 1 or len(images) % count:
        return images
    parts = np.split(images, count)
    return strategy.experimental_distribute_values_from_function(lambda device: parts[device.replica_id_in_sync_group])


def join_processes() -> None:
    """Connects this process with the others of its training, if the environment names them.

    The variables are those of `keras.distribution.initialize`: KERAS_DISTRIBUTION_JOB_ADDRESSES, the address of the
    first process, KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID.

    Raises:
        InputError: if the backend is TensorFlow.
    """
    if ADDRESS not in os.environ:
        return
    if keras.backend.backend() != "jax":
        raise InputError(f"`backend` must be jax where {ADDRESS} is set; got {keras.backend.backend()}.")
    import jax

    if not jax.distributed.is_initialized():
        keras.distribution.initialize()


def count_processes() -> int:
    """Returns how many processes share a training."""
    return _processes()[1]


def process_number() -> int:
    """Returns which of the processes that share a training this is, counted from 0. The first one writes the files."""
    return _processes()[0]


def wait_for_processes() -> None:
    """Waits until all processes that share a training are here."""
    if count_processes() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices("files")


def _processes() -> tuple[int, int]:
    """Returns the number of this process and how many there are."""
    if ADDRESS not in os.environ:
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


@cache
def _distribution(*names: str) -> Any:
    """Returns the one distribution of this process over some devices.

    Every strategy of TensorFlow numbers its sums over the devices from the same number on, and TensorFlow remembers
    the shape of each: the sums of a second strategy would be taken for those of the first one.
    """
    if keras.backend.backend() == "jax":
        return keras.distribution.DataParallel(devices=list(names), auto_shard_dataset=False)
    import tensorflow as tf

    return tf.distribute.MirroredStrategy([f"/{name}" for name in names])


def _replica_context() -> Any:
    """Returns TensorFlow's view of the devices while it computes on one of several; None otherwise."""
    if not computes_parts():
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
