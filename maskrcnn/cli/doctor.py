"""What a machine has and lacks: versions, devices, disk space, images and start weights.

A finding is one line of the report, with advice where something that the pipeline needs is missing.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from maskrcnn.cli.findings import Finding, print_findings
from maskrcnn.cli.hashes import examine_hashes
from maskrcnn.network.weights.released import tell_source
from maskrcnn.project.config import DRAWN, SYNTHETIC, Runtime
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.runtime import advise_installation, import_quietly
from maskrcnn.readers.folders import IMAGE_END, POLYGONS_END

PACKAGES = ("dvc", "keras", "numpy", "opencv-python-headless")
BACKENDS = ("tensorflow", "tensorflow-cpu", "jax", "jax-cuda12-plugin")
INSTALL = "`make install` installs it, or `pip install -r requirements/cpu.txt`."
ARCHIVES = "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip"
NEEDED_DISK = 5e9  # bytes
FULL_SCALE_DISK = 25e9  # for checkpoints, models and DVC's copies; images not included

# Images of the fine annotations, as published.
IMAGE_COUNTS = {
    "train": {
        "aachen": 174, "bochum": 96, "bremen": 316, "cologne": 154, "darmstadt": 85, "dusseldorf": 221,
        "erfurt": 109, "hamburg": 248, "hanover": 196, "jena": 119, "krefeld": 99, "monchengladbach": 94,
        "strasbourg": 365, "stuttgart": 196, "tubingen": 144, "ulm": 95, "weimar": 142, "zurich": 122,
    },
    "val": {"frankfurt": 267, "lindau": 59, "munster": 174},
}  # fmt: skip


def main(root: Path = Path(), hashes: Sequence[str] | None = None) -> int:
    """Prints the report; returns 1 if something is missing or damaged, else 0.

    Args:
        root: Where `params.yaml` lies; its paths start there.
        hashes: Files and folders to hash again, instead of the report on the machine; none for all that DVC records.
    """
    findings = examine(root) if hashes is None else examine_hashes(root, hashes)
    return print_findings(list(findings))


def examine(root: Path) -> Iterator[Finding]:
    """Yields all findings, the quick ones first."""
    yield Finding("python", platform.python_version())
    yield from find_versions()
    yield Finding("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB")
    yield from examine_study(root)
    yield from examine_runtime(root)


def examine_study(root: Path) -> Iterator[Finding]:
    """Yields what `params.yaml` needs of this machine; only its faults where it is not valid."""
    from maskrcnn.readers.study import check_settings, find_image_faults

    try:
        study = check_settings(root)
    except (InputError, OSError) as fault:
        yield Finding("params.yaml", "not valid", str(fault))
        return
    params = asdict(study)
    yield Finding("scale", study.scale)
    yield find_disk(root, FULL_SCALE_DISK if study.scale == "cityscapes" else NEEDED_DISK)
    yield from find_images(root, params)
    if faults := list(find_image_faults(study, root)):
        yield Finding("params.yaml", "does not suit the images", f"{'; '.join(faults)}.")
    yield from find_start_weights(root, params)


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
    data = params["data"]
    if params["synthesize"]:
        folder = root / SYNTHETIC
        if folder.is_dir() and any(folder.iterdir()) and not (folder / DRAWN).is_file():
            yield Finding(
                SYNTHETIC, "files that were not drawn", f"`{SYNTHETIC}` must be empty; move the files elsewhere."
            )
        else:
            yield Finding(data["root"], "drawn by `dvc repro`")
    elif data["format"] != "cityscapes":
        for path in sorted(
            {f"{data['root']}/{split[key]}" for split in params["splits"].values() for key in ("images", "truth")}
        ):
            is_there = (root / path).exists()
            yield Finding(path, "found" if is_there else "none", "" if is_there else f"`{path}` must exist.")
    elif not (root / data["root"]).is_dir():
        yield Finding(data["root"], "none", f"`{data['root']}` must hold {ARCHIVES}, unpacked.")
    elif nested := list(find_nested(root / data["root"])):
        yield from nested
    else:
        yield from find_cities(root / data["root"], params["splits"])


def find_nested(root: Path) -> Iterator[Finding]:
    """Yields folders of Cityscapes that were unpacked one level too deep.

    Args:
        root: Should hold `leftImg8bit/` and `gtFine/`.
    """
    for part in ("leftImg8bit", "gtFine"):
        for path in sorted(root.glob(f"*/{part}")):
            command = f"mv {path}/* {path.parent}/" if path.parent.name == part else f"mv {path} {root}/"
            yield Finding(
                str(path), "one folder too deep", f"`{path}` must lie in `{root}` itself; `{command}` moves it."
            )


def find_cities(root: Path, splits: Mapping[str, Any]) -> Iterator[Finding]:
    """Yields how many images and annotations there are of each city that a split needs, and once what to do.

    Args:
        root: The folder `data.root`.
        splits: By name, the folders and cities of each.
    """
    needed = {
        (split["images"], split["truth"], city)
        for split in splits.values()
        for city in split["cities"] or [path.name for path in (root / split["images"]).glob("*") if path.is_dir()]
    }
    cities = [count_city(root, *place) for place in sorted(needed)]
    yield from cities
    lost = sorted({split["images"] for split in splits.values() if not (root / split["images"]).is_dir()})
    if lost or any(city.advice for city in cities):
        holds = f", {', '.join(lost)} among them" if lost else ""
        yield Finding(str(root), "incomplete", f"`{root}` must hold all cities of `splits`{holds}; unpack {ARCHIVES}.")


def count_city(root: Path, images: str, truth: str, city: str) -> Finding:
    """Returns how many images and annotations of a city there are; every image must have one.

    Args:
        root: The folder `data.root`.
        images: Folder of the images below the root.
        truth: Folder of the annotations.
        city: A folder below both.
    """
    found = [
        len(list((root / part / city).glob(f"*{ending}")))
        for part, ending in ((images, IMAGE_END), (truth, POLYGONS_END))
    ]
    published = IMAGE_COUNTS.get(PurePosixPath(images).name, {}).get(city)
    is_complete = found[0] == found[1] == (published or found[0]) != 0
    rule = f"{published} of both" if published else "as many of both"
    advice = "" if is_complete else f"`{city}` must have {rule}."
    return Finding(f"{images}/{city}", f"{found[0]} images, {found[1]} annotations", advice)


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
    except (InputError, OSError):
        return
    gpus: list[str] = []
    try:
        gpus = list_gpus()
        yield Finding("GPUs of nvidia-smi", ", ".join(gpus) or "none")
    except InputError as fault:
        yield Finding("GPUs of nvidia-smi", "not known", str(fault))
    yield Finding("precision", runtime.precision)
    try:
        names = list_devices(runtime.backend)
    except (ImportError, RuntimeError, AssertionError) as fault:  # JAX raises the latter two if it cannot start
        advice = f"`backend` must be installed; {advise_installation(runtime.backend, 'gpu' if gpus else 'cpu')}."
        if runtime.backend == "jax" and "JAX_PLATFORMS" in os.environ:
            advice += f" JAX_PLATFORMS, {os.environ['JAX_PLATFORMS']}, must name platforms that it can use."
        yield Finding("backend", f"{runtime.backend}, which fails with: {str(fault) or type(fault).__name__}", advice)
        return
    yield Finding("backend", runtime.backend)
    yield Finding("devices", ", ".join(names), advise_devices(runtime, names, gpus))


def list_gpus() -> list[str]:
    """Returns the GPUs that the driver lists, by their names; none where its tool is not installed.

    Raises:
        InputError: if the tool fails, as it does after an update of the driver; a training would run on the CPU.
    """
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except OSError:
        return []
    except subprocess.TimeoutExpired as fault:
        raise InputError(f"`nvidia-smi -L` must list the GPUs; it gave no answer in {fault.timeout:.0f} s.") from None
    if listed.returncode:
        said = " ".join((listed.stdout + listed.stderr).split())[:200]
        raise InputError(f"`nvidia-smi -L` must list the GPUs; repair the driver. It says: {said}")
    return re.findall(r"^GPU \d+: (.*?) \(", listed.stdout, re.MULTILINE)


def list_devices(backend: str) -> list[str]:
    """Returns the devices that a backend computes on, GPUs if it sees any; the import takes seconds.

    Raises:
        ImportError: if the backend is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a training may need the memory
    import_quietly(backend)
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
