"""Our side with the operations that a GPU would run: as_on_gpu.py training|inference FOLDER."""

import sys
from pathlib import Path

import ours
import tensorflow as tf

if __name__ == "__main__":
    devices = [tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")]
    tf.config.get_visible_devices = lambda *_: devices
    ours.main(sys.argv[1], Path(sys.argv[2]))
