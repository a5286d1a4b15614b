"""What a machine has and lacks: versions, devices, disk space, images and start weights.

A finding is one line of the report, with advice where something that the pipeline needs is missing.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from maskrcnn.network.weights.released import tell_source
from maskrcnn.project.config import DRAWN, SYNTHETIC, Runtime
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.rules import check_params
from maskrcnn.project.runtime import advise_installation
from maskrcnn.readers.cityscapes import IMAGE_END, POLYGONS_END

PACKAGES = ("dvc", "keras", "numpy", "opencv-python-headless")
BACKENDS = ("tensorflow", "tensorflow-cpu", "jax", "jax-cuda12-plugin")
INSTALL = "`make install` installs it, or `pip install -r requirements/cpu.txt`."
ARCHIVES = "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip"
NEEDED_DISK = 5e9  # bytes
FULL_SCALE_DISK = 15e9  # for checkpoints, models and DVC's copies; images not included

# Images of the fine annotations, as published.
IMAGE_COUNTS = {
    "train": {
        "aachen": 174, "bochum": 96, "bremen": 316, "cologne": 154, "darmstadt": 85, "dusseldorf": 221,
        "erfurt": 109, "hamburg": 248, "hanover": 196, "jena": 119, "krefeld": 99, "monchengladbach": 94,
        "strasbourg": 365, "stuttgart": 196, "tubingen": 144, "ulm": 95, "weimar": 142, "zurich": 122,
    },
    "val": {"frankfurt": 267, "lindau": 59, "munster": 174},
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line of the report; with advice where something is missing."""

    name: str
    value: str
    advice: str = ""


def main(root: Path = Path()) -> int:
    """Prints the report; returns 1 if something is missing, else 0.

    Args:
        root: Where `params.yaml` lies; its paths start there.
    """
    findings = list(examine(root))
    table = Table("", "Found", "Missing")
    for finding in findings:
        table.add_row(finding.name, finding.value, finding.advice, style="red" if finding.advice else None)
    Console().print(table)
    return int(any(finding.advice for finding in findings))


def examine(root: Path) -> Iterator[Finding]:
    """Yields all findings, the quick ones first."""
    yield Finding("python", platform.python_version())
    yield from find_versions()
    yield Finding("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB")
    yield from examine_study(root)
    yield from examine_runtime(root)


def examine_study(root: Path) -> Iterator[Finding]:
    """Yields what `params.yaml` needs of this machine; only its faults where it is not valid."""
    from maskrcnn.data.augmentation import check_strengths  # imgaug takes a second, which `--help` has no use for

    try:
        params = read_params(root / "params.yaml")
        for name, variant in check_params(params, root).variants.items():
            check_strengths(variant.augment, f"variants.{name}.augment")
    except (ValueError, FileNotFoundError) as fault:
        yield Finding("params.yaml", "not valid", str(fault))
        return
    scale = params.values["scale"]
    yield Finding("scale", scale)
    yield find_disk(root, FULL_SCALE_DISK if scale == "cityscapes" else NEEDED_DISK)
    yield from find_images(root, params.values)
    yield from find_start_weights(root, params.values)


def find_versions() -> Iterator[Finding]:
    """Yields the version of every package, and of the backends that are installed."""
    for name in PACKAGES + BACKENDS:
        try:
            yield Finding(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            if name in PACKAGES:
                yield Finding(name, "none", f"`{name}` must be installed; {INSTALL}")


def find_disk(root: Path, needed: float) -> Finding:
    """Returns the free space of the disk that models and data are written to."""
    free = shutil.disk_usage(root).free
    advice = f"{needed / 1e9:.0f} GB must be free for data and models." if free < needed else ""
    return Finding("disk", f"{free / 1e9:.0f} GB free", advice)


def find_images(root: Path, params: dict[str, Any]) -> Iterator[Finding]:
    """Yields what there is of the raw data set; a synthetic city is not checked, since `dvc repro` draws it."""
    data, splits = params["data"], params["splits"].values()
    if params["synthesize"]:
        folder = root / SYNTHETIC
        if folder.is_dir() and any(folder.iterdir()) and not (folder / DRAWN).is_file():
            yield Finding(
                SYNTHETIC, "files that were not drawn", f"`{SYNTHETIC}` must be empty; move the files elsewhere."
            )
        else:
            yield Finding(data["root"], "drawn by `dvc repro`")
    elif data["format"] != "cityscapes":
        for path in sorted({f"{data['root']}/{split[key]}" for split in splits for key in ("images", "truth")}):
            is_there = (root / path).exists()
            yield Finding(path, "found" if is_there else "none", "" if is_there else f"`{path}` must exist.")
    elif not (root / data["root"]).is_dir():
        yield Finding(data["root"], "none", f"`{data['root']}` must hold {ARCHIVES}, unpacked.")
    else:
        needed = {(split["images"], city) for split in splits for city in split.get("cities") or ()}
        yield from find_cities(root / data["root"], needed)


def find_cities(root: Path, needed: Set[tuple[str, str]]) -> Iterator[Finding]:
    """Yields the images of each city of Cityscapes.

    Args:
        root: Holds `leftImg8bit/` and `gtFine/`.
        needed: Folder of images and city of the splits; only these must be complete.
    """
    for folder, counts in IMAGE_COUNTS.items():
        for city, count in counts.items():
            finding = count_images(root, folder, city, count)
            yield finding if (f"leftImg8bit/{folder}", city) in needed else replace(finding, advice="")


def count_images(root: Path, folder: str, city: str, count: int) -> Finding:
    """Returns how many images and annotations of a city there are.

    Args:
        root: Holds `leftImg8bit/` and `gtFine/`.
        folder: `train` or `val`.
        city: A folder below that one.
        count: How many of each were published.
    """
    parts = (("leftImg8bit", IMAGE_END), ("gtFine", POLYGONS_END))
    found = [len(list((root / part / folder / city).glob(f"*{ending}"))) for part, ending in parts]
    advice = "" if found == [count, count] else f"`{city}` must have {count} of both; unpack {ARCHIVES}."
    return Finding(f"{folder}/{city}", f"{found[0]} images, {found[1]} annotations", advice)


def find_start_weights(root: Path, params: dict[str, Any]) -> Iterator[Finding]:
    """Yields the files that candidates, variants and `weights` start from, except those that a stage makes."""
    made = {f"models/{name}.h5" for name in params["variants"]}
    made |= {f"models/start/{name}.h5" for name in params["weights"]}
    users = (*params["weights"].values(), *params["variants"].values(), *params["candidates"].values())
    starts = {user.get("path", user.get("start")) for user in users}
    starts |= {params[section]["start"] for section in ("babysit", "hyperband") if section in params}
    for start in sorted(starts - made - {None}):
        if (root / start).is_file():
            yield Finding(start, f"{(root / start).stat().st_size / 1e6:.1f} MB")
        else:
            yield Finding(start, "none", f"`{start}` must exist; {tell_source(Path(start).name)}")


def examine_runtime(root: Path) -> Iterator[Finding]:
    """Yields what the network runs on; nothing where `params.yaml` is not valid, which `examine_study` reports."""
    try:
        runtime = read_runtime(read_params(root / "params.yaml"))
    except (ValueError, FileNotFoundError):
        return
    gpus = list_gpus()
    yield Finding("GPUs of nvidia-smi", ", ".join(gpus) or "none")
    yield Finding("precision", runtime.precision)
    try:
        names = list_devices(runtime.backend)
    except ImportError as fault:
        advice = f"`backend` must be installed; {advise_installation(runtime.backend, 'gpu' if gpus else 'cpu')}."
        yield Finding("backend", f"{runtime.backend}, which fails with: {fault}", advice)
        return
    yield Finding("backend", runtime.backend)
    yield Finding("devices", ", ".join(names), advise_devices(runtime, names, gpus))


def list_gpus() -> list[str]:
    """Returns the GPUs that the driver lists, by their names."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^GPU \d+: (.*?) \(", listed.stdout, re.MULTILINE)


def list_devices(backend: str) -> list[str]:
    """Returns the devices that a backend computes on, GPUs if it sees any; the import takes seconds.

    Raises:
        ImportError: if the backend is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a training may need the memory
    if backend == "jax":
        import jax

        return [f"{device.platform}:{device.id}" for device in jax.devices()]
    import tensorflow as tf

    kinds = [tf.config.list_physical_devices(kind) for kind in ("GPU", "CPU")]
    return [device.name.removeprefix("/physical_device:").lower() for device in kinds[0] or kinds[1]]


def advise_devices(runtime: Runtime, names: Sequence[str], gpus: Sequence[str]) -> str:
    """Returns what to do about devices that are missing; nothing if none is.

    Args:
        runtime: What params choose.
        names: The devices that the backend computes on.
        gpus: Those that the driver lists.
    """
    if gpus and all(name.startswith("cpu") for name in names):
        hiding = [name for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS") if name in os.environ]
        hidden = f" {' and '.join(hiding)} may hide it." if hiding else ""
        return f"`{runtime.backend}` must see the GPU; {advise_installation(runtime.backend, 'gpu')}.{hidden}"
    if runtime.devices != "all" and int(runtime.devices) > len(names):
        return f"`devices` must be all or at most {len(names)}; got {runtime.devices}."
    return ""
