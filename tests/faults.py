"""Kills stages at each of their changes to files, and compares what the next run leaves with an uninterrupted one.

`python -m tests.faults FOLDER KILLS STAGE...` kills each stage before that many changes, spread evenly over all that it
makes, and at each of them twice, see `Strikes`; 0 is for all changes. Every run is a fork of this process, so that
nothing is imported twice, and the stages learn with a trainer without a network. The stage `network` is a real training
of a tiny network, killed at random moments.
"""

import mmap
import os
import random
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from maskrcnn.learning import fit, saver
from maskrcnn.learning.recipe import Assembly
from maskrcnn.project.files import whole_file
from maskrcnn.project.params import read_yaml
from stages import babysit, coarse, hyperband, predict, preprocess, train
from tests.learning.arithmetic import STEPS, ArithmeticTrainer
from tests.learning.scenes import write_split
from tests.network.weights.facts import FACTS
from tests.readers.frames import rectangle, write_frame

REPOSITORY = Path(__file__).parents[1]
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OUTS = ("models", "plots", "metrics", "tuning", "predictions", "pictures", "data/processed/test.npz")
KEPT = ("checkpoints", "raw", "params.yaml", "one.yaml", "inputs")  # what is no result
LONGEST = 40.0  # seconds that a real training is left alone at most


class Strikes:
    """Counts the changes below a folder, in memory that a killed process leaves behind, and kills at one of them.

    Args:
        root: The folder.
        at: The change before which the process is killed, counted from 1; 0 for none.
        torn: Whether the file that was opened last loses its second half, as if it had not reached the disk.
    """

    def __init__(self, root: Path, at: int, torn: bool):
        self.root, self.at, self.torn = str(root), at, torn
        self.count, self.opened = mmap.mmap(-1, 8), ""

    def watch(self) -> None:
        """Watches this process until it ends."""
        sys.addaudithook(self._hear)
        # A kill takes nothing from a file that only the disk does not have yet, so the disk need not be waited for.
        os.fsync = lambda descriptor: self._strike(os.readlink(f"/proc/self/fd/{descriptor}"))  # type: ignore

    def read(self) -> int:
        """Returns how many changes there were."""
        return int(struct.unpack("q", self.count[:8])[0])

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | Path) and arguments[2] & WRITES:
            path = os.path.abspath(os.fsdecode(arguments[0]))
            self._strike(path)
            self.opened = path
        elif event in CHANGES:
            self._strike(os.path.abspath(os.fsdecode(arguments[0])))

    def _strike(self, path: str) -> None:
        if not path.startswith(self.root):
            return
        self.count[:8] = struct.pack("q", self.read() + 1)
        if self.read() == self.at:
            if self.torn and self.opened.startswith(self.root) and os.path.isfile(self.opened):
                os.truncate(self.opened, os.path.getsize(self.opened) // 2)
            os.kill(os.getpid(), signal.SIGKILL)


def start(work: Callable[[Path], None], root: Path, strikes: Strikes) -> int:
    """Starts a stage in a fork; returns its pid."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        os.chdir(root)
        log = os.open(log_of(root), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        strikes.watch()
        work(root)
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)


def log_of(root: Path) -> Path:
    """Returns the file that the output of the last run goes to."""
    return root.with_name(f"{root.name}.log")


def run(work: Callable[[Path], None], root: Path, at: int = 0, torn: bool = False) -> tuple[int, int]:
    """Runs a stage in a fork; returns its exit status, negative after a kill, and the number of changes."""
    strikes = Strikes(root, at, torn)
    _, status = os.waitpid(start(work, root, strikes), 0)
    return os.waitstatus_to_exitcode(status), strikes.read()


def read_results(root: Path) -> dict[str, bytes]:
    """Returns the content of the files that a stage leaves, the names alone of checkpoints and unfinished files."""
    files = [path for path in root.rglob("*") if path.is_file()]
    names = {path: path.relative_to(root).as_posix() for path in files}
    results = {name: path.read_bytes() for path, name in names.items() if not name.startswith(KEPT)}
    others = [name for name in names.values() if name.startswith("checkpoints") or name.endswith(".unfinished")]
    return results | dict.fromkeys(others, b"")


def compare(root: Path, expected: dict[str, bytes], case: str) -> None:
    """Ends this process unless a stage left what it should."""
    results = read_results(root)
    differing = [name for name in sorted({*results, *expected}) if results.get(name) != expected.get(name)]
    if differing:
        sys.exit(f"{case}: {', '.join(differing)} differ")


def remove_outs(root: Path) -> None:
    """Removes the outputs, as DVC does before it runs a stage."""
    for name in OUTS:
        if (root / name).is_dir():
            shutil.rmtree(root / name)
        else:
            (root / name).unlink(missing_ok=True)


def kill_everywhere(stage: str, folder: Path, kills: int) -> None:
    """Kills a stage before some of its changes, or all, runs it again and compares."""
    work, inputs = STAGES[stage], folder / stage / "inputs"
    write_inputs(inputs)
    whole = folder / stage / "whole"
    shutil.copytree(inputs, whole)
    status, changes = run(work, whole)
    assert status == 0 and changes > 0
    expected = read_results(whole)
    assert any(not name.startswith("live") for name in expected)
    places = range(1, changes + 1)
    places = places[:: max(1, changes // kills)] if kills else places
    for number, place in enumerate(places):
        for torn in (False, True):
            root = folder / stage / f"{place}{'torn' * torn}"
            shutil.copytree(inputs, root)
            case = f"{stage}, killed before change {place} of {changes}{', torn' * torn}"
            if run(work, root, place, torn)[0] != -signal.SIGKILL:
                sys.exit(f"{case}: it was not killed")
            if (number + torn) % 2:
                remove_outs(root)
            if run(work, root)[0] != 0:
                sys.exit(f"{case}: the next run failed\n{log_of(root).read_text()}")
            compare(root, expected, case)
            shutil.rmtree(root)
    print(f"{stage}: {2 * len(places)} kills at {len(places)} of {changes} changes, all equal afterwards", flush=True)


def write_inputs(root: Path) -> None:
    """Writes what the stages read."""
    params = read_yaml(REPOSITORY / "params.yaml")
    params["synthesize"] = {}
    params["babysit"]["schedule"] |= {"epochs": 2, "steps": STEPS}
    params["coarse"] |= {"learning_rates": [0.01, 0.001]}
    params["coarse"]["schedule"] |= {"epochs": 2, "steps": STEPS}
    params["hyperband"]["schedule"] |= {"epochs": 2, "steps": STEPS}
    params["search"]["sgd"]["learning_rate"] = [1e-5, 1e-2]
    params["train"] = {"hyperparameters": "one.yaml", "schedule": params["train"]["schedule"]}
    params["train"]["schedule"] |= {"epochs": 4, "steps": STEPS, "patience": 2}
    params["data"] = {"root": "raw", "format": "cityscapes", "image_shape": [64, 128], "classes": None, "licence": None}
    params["preprocess"] |= {"image_shape": [64, 128]}
    params["splits"]["test"] |= {"images": "leftImg8bit/val", "truth": "gtFine/val", "cities": ["lindau"]}
    root.mkdir(parents=True)
    YAML().dump(params, root / "params.yaml")
    (root / "one.yaml").write_text("optimizer: sgd\nlearning_rate: 0.001\nmomentum: 0.9\nweight_decay: 0.0\n")
    for name in ("old.lock", "old/done", "old/last.npz"):  # of a stage that is done; a kill left the lock
        (root / "checkpoints/earlier").joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        (root / "checkpoints/earlier").joinpath(name).write_text("999999999")  # the pid of no process
    write_frame(root / "raw", [("car", rectangle(4, 8, 11, 16))], name="lindau_000000_000019", folder="val")


class Steps(list[int]):
    """Batches of nothing."""

    records = None

    def close(self) -> None:
        """They have no threads."""


class TwoRecords(list[str]):
    """The records of two images."""

    image_shape, names, digest = (64, 128), ("a", "b"), 7
    catalogue = SimpleNamespace(class_names=("background", "car"))


def replace_networks() -> None:
    """Makes the stages learn and find without a network, and save after every step."""
    saver.SAVE_SECONDS = 0.0
    for module in (fit, babysit, coarse, hyperband):
        module.assemble = lambda *_: Assembly(ArithmeticTrainer(), Steps(range(STEPS)), Steps())  # type: ignore
        module.fingerprint_recipe = lambda *_: "fingerprint"  # type: ignore
    for stage in (babysit, coarse, hyperband, train, predict):
        stage.check_splits = lambda *_: None  # type: ignore
    fit.state_facts = lambda *_: FACTS  # type: ignore
    fit.write_weights = write_numbers  # type: ignore
    predict.spread = lambda _: nullcontext()  # type: ignore
    predict.read_split = lambda *_: TwoRecords("ab")  # type: ignore
    predict.build_mask_rcnn = predict.read_weights = predict.read_batches = lambda *_, **__: None  # type: ignore
    predict.detect_batches = lambda *_, **__: iter([[find(), find()]])  # type: ignore


def write_numbers(network: Any, path: Path, **_: Any) -> None:
    """Writes the numbers of an `ArithmeticTrainer` in place of weights."""
    with whole_file(path) as unfinished:
        np.array(network.variables[0]).tofile(unfinished)


def find() -> SimpleNamespace:
    """Returns a car."""
    masks = np.zeros((1, 64, 128), bool)
    masks[0, 8:16, 4:11] = True
    boxes = np.array([[8, 4, 16, 11]])
    return SimpleNamespace(
        boxes_px=boxes, class_ids=np.array([1]), scores=np.array([0.9]), masks=masks, proposals_px=boxes
    )


def learn(root: Path) -> None:
    """Trains a tiny network."""
    from tests.two_devices import RECIPE

    saver.SAVE_SECONDS = 0.0
    fit.train(RECIPE, inputs=root / "inputs", root=root, stage="train/small", name="small")


def kill_networks(folder: Path, kills: int) -> None:
    """Kills real trainings at random moments after their first step, runs them again and compares."""
    inputs = folder / "network/inputs"
    (inputs / "inputs/data/processed").mkdir(parents=True)
    write_split(inputs / "inputs/data/processed")
    whole, dice = folder / "network/whole", random.Random(kills)
    shutil.copytree(inputs, whole)
    assert run(learn, whole)[0] == 0
    expected = read_results(whole)
    for number in range(kills):
        root = folder / f"network/{number}"
        shutil.copytree(inputs, root)
        pid = start(learn, root, Strikes(root, 0, torn=False))
        deadline = time.monotonic() + LONGEST
        while not [*root.rglob("last.npz")] and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 1.5))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        case = f"network, kill {number}"
        if run(learn, root)[0] != 0:
            sys.exit(f"{case}: the next run failed\n{log_of(root).read_text()}")
        compare(root, expected, case)
        shutil.rmtree(root)
    print(f"network: {kills} kills at random moments, all equal afterwards", flush=True)


STAGES: dict[str, Callable[[Path], None]] = {
    "train": lambda root: train.main("base", root),
    "babysit": babysit.main,
    "coarse": lambda root: coarse.main("reference", root),
    "hyperband": lambda root: hyperband.main("sgd", root),
    "predict": lambda root: predict.main("base", root),
    "preprocess": lambda root: preprocess.main("test", root),
}


def main(folder: Path, kills: int, stages: list[str]) -> None:
    """Runs the stages that are named."""
    if "network" in stages:
        kill_networks(folder, kills)
    replace_networks()
    for stage in stages:
        if stage in STAGES:
            kill_everywhere(stage, folder, kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3:])
