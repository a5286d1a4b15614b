"""Damaged files are refused by name or read, and nothing else happens; tests/results/damage.py tries more."""

from collections import Counter
from pathlib import Path

from tests.results.damage import try_files

FILES = 600
SLOWEST = 2.0  # seconds


def test_damage_is_refused_by_name(tmp_path: Path) -> None:
    results = list(try_files(tmp_path, range(FILES)))
    refused = Counter(kind for kind, refusal, _ in results if refusal)
    assert all(refused[kind] > FILES / 6 for kind in ("predictions", "proposals", "scores")), refused
    assert max(seconds for _, _, seconds in results) < SLOWEST
