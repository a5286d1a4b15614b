"""Measures how much of the time a device would work that is fed with image files, without having one.

    python bench/busy_device.py 60 80 120    devices that need 60, 80 or 120 ms for a batch of four

The feeder, Keras' loop of training and our callbacks are real; a step of the device is a wait that takes no core. It is
compared with the same device fed with one batch again and again. Where the files keep up here, with the CPU time that
a step takes printed beside it, more cores keep up with a faster device. What crosses the bus to a real device is left
out; `bench/gpu.py` measures that. Writes `bench/results/busy_device.json`.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import keras
import numpy as np
from feeder import INSTANCE_CAP, describe_machine, make_photos

from maskrcnn.data.batches import Batches
from maskrcnn.data.records import Records
from maskrcnn.learning.callbacks import Callbacks
from maskrcnn.project.files import write_text

RESULT = Path(__file__).parent / "results/busy_device.json"
BATCH, STEPS, WARM_UPS, ROUNDS = 4, 50, 10, 5
NOTE = "medians of rounds; both feed the same made-up device in turn; 1024x2048 PNG files, flipped, batches of four"


def main(milliseconds: list[int], folder: Path) -> dict[str, object]:
    """Returns the pace of batches of four that files feed to a device, and its share of that of a constant batch.

    Args:
        milliseconds: What a step takes the device.
        folder: Empty; images are written there.
    """
    records = make_photos(folder)
    rounds = [[pace(records, folder, step / 1e3) for step in milliseconds] for _ in range(ROUNDS)]
    by_device = zip(*rounds, strict=True)
    return {f"{step}_ms": compare(figures) for step, figures in zip(milliseconds, by_device, strict=True)}


class Device(keras.callbacks.Callback):
    """A device that works on a step for some time, and is asked for the step before, as `Callbacks` does.

    Args:
        seconds: What a step takes it.
    """

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds, self.ends = seconds, [0.0]

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        before = self.ends[-1]
        self.ends.append(max(before, time.perf_counter()) + self.seconds)
        time.sleep(max(0.0, before - time.perf_counter()))

    def seconds_per_step(self) -> float:
        """Returns the time from the end of a step to that of the next, after the warm-up."""
        return (self.ends[-1] - self.ends[WARM_UPS]) / (len(self.ends) - 1 - WARM_UPS)


class Sink(keras.Model):
    """A network that looks at one pixel of each image."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = self.add_weight(shape=(), name="weight")

    def call(self, batch: dict) -> object:
        return self.weight * keras.ops.mean(keras.ops.cast(batch["images"][:, 0, 0], "float32"))

    def compute_loss(self, x: object, y: object, y_pred: object, *_: object, **__: object) -> object:
        return y_pred


class Constant(keras.utils.PyDataset):
    """The same batch again and again.

    Args:
        batch: As `Batches` returns it.
    """

    def __init__(self, batch: tuple):
        super().__init__()
        self.batch = batch

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> tuple:
        return self.batch


def pace(records: Records, folder: Path, seconds: float) -> tuple[float, float, float]:
    """Returns the seconds of a step with a constant batch and with files, and CPU seconds of a step with files."""
    batches = Batches(
        records, folder, batch_size=BATCH, instance_cap=INSTANCE_CAP, steps=STEPS, seed=1, augment={"flip": 0.5}
    )
    model = Sink()
    model.compile("sgd")
    times = []
    for data in (Constant(batches[0]), batches):
        device, cpu = Device(seconds), time.process_time()
        callbacks = Callbacks([device], model, epochs=1, steps=STEPS)
        model.fit(data, epochs=1, callbacks=callbacks, shuffle=False, verbose=0)
        times.append(device.seconds_per_step())
    cpu = time.process_time() - cpu
    batches.close()
    return (*times, cpu / STEPS)


def compare(rounds: Sequence[tuple[float, float, float]]) -> dict[str, object]:
    """Returns medians, and the quartiles of the share, of what `pace` returned in some rounds."""
    constant, files, cpu = (1e3 * np.median(column) for column in zip(*rounds, strict=True))
    shares = [constant / files for constant, files, _ in rounds]
    return {
        "constant_batch_ms": round(constant, 1),
        "files_ms": round(files, 1),
        "cpu_ms": round(cpu, 1),
        "share_of_constant": round(statistics.median(shares), 3),
        "quartiles": [round(share, 3) for share in np.quantile(shares, (0.25, 0.75))],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures how busy files keep a made-up device.")
    parser.add_argument("milliseconds", type=int, nargs="+", help="what a step takes the device")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = main(arguments.milliseconds, Path(folder))
    result = {"date": f"{date.today()}", "device": describe_machine(), "note": NOTE, "busy_device.py": figures}
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
