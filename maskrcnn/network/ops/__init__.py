"""Arithmetic on arrays: no weights, no settings, no files. Here, what they choose by the device."""

from keras import backend


def uses_native_kernels() -> bool:
    """Returns whether cropping and non-maximum suppression run TensorFlow's own kernels.

    They do on a CPU, where the kernels are fastest. If TensorFlow sees any other device, `keras.ops` computes the
    same values: on a GPU the gradient of `tf.image.crop_and_resize` has no deterministic kernel, and XLA, which Keras
    switches on for GPUs, has no kernel of `tf.image.crop_and_resize` at all.
    """
    return backend.backend() == "tensorflow" and runs_on_cpu()


def runs_on_cpu() -> bool:
    """Returns whether the backend sees no other devices than CPUs."""
    if backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    import tensorflow as tf

    return all(device.device_type == "CPU" for device in tf.config.get_visible_devices())
