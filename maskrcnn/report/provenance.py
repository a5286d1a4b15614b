"""Where a report comes from: commit, packages and machine; and what its stages took."""

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from maskrcnn.project.costs import FOLDER

PACKAGES = (
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "jax",
    "numpy",
    "opencv-python-headless",
    "faster-coco-eval",
    "dvc",
)
CODE = ("maskrcnn", "stages", "params.yaml")


def describe_origin(root: Path) -> dict[str, str]:
    """Returns what a reader needs to get the same figures, by its title."""
    return {
        "Commit": describe_commit(root),
        "Machine that wrote this page": describe_machine(),
        "Packages": ", ".join(f"{name} {release}" for name, release in list_packages().items()),
    }


def read_costs(root: Path) -> list[tuple[str, str, float, int]]:
    """Returns stage, end, seconds and peak memory in MB of the last run of each stage, in the order of their ends.

    Files that are damaged are left out: they are no results.
    """
    costs = []
    for path in (root / FOLDER).glob("*.json"):
        try:
            row = json.loads(path.read_bytes())
            costs.append((path.stem, str(row["finished"]), float(row["seconds"]), int(row["peak_memory_mb"])))
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(costs, key=lambda row: row[1])


def describe_commit(root: Path) -> str:
    """Returns the commit of a repository and its date, and whether code or params differ from it."""
    head = _git(root, "log", "-1", "--format=%H, %cs")
    if head is None:
        return "not known: there is no git history"
    return f"{head}, with changes that are not committed" if _git(root, "status", "--porcelain", "--", *CODE) else head


def list_packages() -> dict[str, str]:
    """Returns the versions of the packages that decide the results, and of Python; those not installed are left out."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_machine() -> str:
    """Returns operating system, processor type and number of cores."""
    return f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores"


def _git(root: Path, *arguments: str) -> str | None:
    """Returns what git prints; None where it is missing or fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
