"""A stage that fails leaves what git keeps as it was."""

import json
import sys
from pathlib import Path

import pytest

from tests.pipeline import study
from tests.pipeline.study import call, commit, git, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LIST = """
import json
from dvc.repo import Repo
print(json.dumps({
    stage.addressing: [[dep.def_path for dep in stage.deps if hasattr(dep, "def_path")],
                       [out.def_path for out in stage.outs if not out.use_cache]]
    for stage in Repo().index.stages if not stage.frozen
}))
"""


def test_results_that_git_keeps_outlive_a_stage_that_fails(tmp_path: Path) -> None:
    study.make_study(tmp_path)
    stages = json.loads(run(tmp_path, sys.executable, "-c", LIST))
    for deps, outs in stages.values():
        for path in (tmp_path / name for name in (*deps, *outs)):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("{}") if path.suffix else path.mkdir()
    for path in (tmp_path / "stages").glob("*.py"):
        path.write_text("raise SystemExit('this stage fails')")
    commit(tmp_path, "Results")
    kept = {name: outs for name, (_, outs) in stages.items() if outs}
    assert {"evaluate@base", "ceilings", "select", "headline", "preprocess@test"} <= kept.keys()
    for name in {name.partition("@")[0]: name for name in kept}.values():  # one of each kind
        failed = call(tmp_path, sys.executable, "-m", "dvc", "repro", "--single-item", name)
        assert "this stage fails" in failed.stderr
        assert git(tmp_path, "status", "--porcelain") == ""
