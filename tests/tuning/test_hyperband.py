"""The search: what it tries, that it is the same every time, and what happens when it fails or is stopped."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskrcnn.project.config import Hyperband, SearchSpace, TuningSchedule
from maskrcnn.tuning.hyperband import HyperbandSearch, is_worker, make_space
from maskrcnn.tuning.trial_runner import TrialRunner
from maskrcnn.tuning.trials import Trial
from tests.tuning.fakes import make_runner

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.filterwarnings("ignore:currentThread.. is deprecated"),  # Keras Tuner's
    pytest.mark.filterwarnings("ignore:getName.. is deprecated"),
]
SPACE = SearchSpace((1e-6, 1e-3), (1e-4, 1e-2), (0.9, 0.99))
SETTINGS = Hyperband("start.h5", "heads", factor=2, iterations=1, schedule=TuningSchedule(5, 1, 4, 4, 2))


def search(
    folder: Path, runner: TrialRunner, space: SearchSpace = SPACE, settings: Hyperband = SETTINGS
) -> HyperbandSearch:
    """Returns a search that has ended, or raises what stopped it."""
    made = HyperbandSearch(lambda: runner, "sgd", space, settings, folder)
    made.search(verbose=0)
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> HyperbandSearch:
    return search(tmp_path_factory.mktemp("whole"), make_runner())


def test_three_brackets_of_four_epochs_make_fifteen_trials(whole: HyperbandSearch) -> None:
    # With factor 2, bracket b has ceil(3 / (b + 1) * 2^(b - r)) trials of 4 / 2^(b - r) epochs in round r:
    # 4 of 1, 2 of 2 and 1 of 4; 3 of 2 and 2 of 4; 3 of 4.
    rounds = [(trial.bracket, trial.round, trial.first_epoch, trial.epochs) for trial in whole.table()]
    expected = [(2, 0, 0, 1)] * 4 + [(2, 1, 1, 2)] * 2 + [(2, 2, 2, 4)]
    expected += [(1, 0, 0, 2)] * 3 + [(1, 1, 2, 4)] * 2 + [(0, 0, 0, 4)] * 3
    assert sorted(rounds) == sorted(expected)
    assert [trial.trial for trial in whole.table()] == list(range(15))


def test_what_is_drawn_lies_in_its_range_and_can_be_typed_again(whole: HyperbandSearch) -> None:
    for trial in whole.table():
        for key in ("learning_rate", "weight_decay", "momentum"):
            low, high = getattr(SPACE, key)
            value = getattr(trial.hyperparameters, key)
            assert low <= value <= high
            assert value == float(f"{value:.3g}")


def test_promoted_trials_are_the_best_of_their_round(whole: HyperbandSearch) -> None:
    first = [trial for trial in whole.table() if (trial.bracket, trial.round) == (2, 0)]
    second = [trial for trial in whole.table() if (trial.bracket, trial.round) == (2, 1)]
    best = sorted(first, key=lambda trial: trial.val_loss)[:2]
    assert {trial.hyperparameters for trial in second} == {trial.hyperparameters for trial in best}


def test_no_epoch_is_learned_twice(whole: HyperbandSearch) -> None:
    learned = whole.runner.trainer.learned
    assert len(learned) == len(set(learned)) == 8 + 10 + 12


def test_the_history_has_every_epoch_of_every_trial_once(whole: HyperbandSearch) -> None:
    rows = whole.history()
    assert len(rows) == 8 + 10 + 12
    said = {"trial", "optimizer", "learning_rate", "momentum", "weight_decay", "epoch", "loss"}
    assert set(rows[0]) == said | {"val_loss", "val_positive_regions"}
    for trial in whole.table():
        epochs = [row["epoch"] for row in rows if row["trial"] == trial.trial]
        assert epochs == list(range(trial.first_epoch + 1, trial.epochs + 1))


def test_the_same_seed_makes_the_same_table_and_another_seed_another(whole: HyperbandSearch, tmp_path: Path) -> None:
    assert search(tmp_path / "again", make_runner()).table() == whole.table()
    other = replace(SETTINGS, schedule=replace(SETTINGS.schedule, seed=6))
    assert search(tmp_path / "other", make_runner(), settings=other).table() != whole.table()


def test_a_seed_of_zero_is_a_seed(tmp_path: Path) -> None:
    zero = replace(SETTINGS, schedule=replace(SETTINGS.schedule, seed=0))
    tables = [search(tmp_path / name, make_runner(), settings=zero).table() for name in "ab"]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("stop_after", [0, 1, 5, 17, 29])
def test_a_search_that_was_stopped_ends_as_if_it_had_not(
    stop_after: int, whole: HyperbandSearch, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, make_runner(stop_after=stop_after))
    again = search(tmp_path, make_runner())
    assert again.table() == whole.table()
    assert len(again.runner.trainer.learned) == 30 - stop_after


def test_what_keras_tuner_left_half_written_does_no_harm(whole: HyperbandSearch, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, make_runner(stop_after=5))
    for path in tmp_path.rglob("*.json"):
        path.write_text("{")
    assert search(tmp_path, make_runner()).table() == whole.table()


def fails(trial: Trial) -> bool:
    return trial.val_loss is None


def test_trials_that_diverge_are_noted_and_the_search_goes_on(tmp_path: Path) -> None:
    table = search(tmp_path, make_runner(), replace(SPACE, learning_rate=(1e-4, 1e-1))).table()
    failed = [trial for trial in table if fails(trial)]
    assert 3 <= len(failed) < len(table)
    # the fake diverges in step 3 of its second epoch of 10 steps
    assert {trial.failure for trial in failed} == {"diverged at step 13"}
    assert all(trial.hyperparameters.learning_rate > 3e-3 and trial.epochs > 1 for trial in failed)
    assert not any(trial.failure for trial in table if not fails(trial))


def test_trials_that_lose_all_objects_are_noted_and_the_search_goes_on(tmp_path: Path) -> None:
    table = search(tmp_path, make_runner(blind=0.95)).table()
    failed = [trial for trial in table if fails(trial)]
    assert failed
    assert {trial.failure for trial in failed} == {"no region met an object in any epoch"}
    assert all((trial.hyperparameters.momentum > 0.95) == fails(trial) for trial in table)


def test_a_search_in_which_everything_fails_comes_to_its_end(tmp_path: Path) -> None:
    table = search(tmp_path, make_runner(blind=0.0)).table()
    assert all(map(fails, table))


def test_any_other_error_ends_the_search_as_itself_and_the_next_search_continues(
    whole: HyperbandSearch, tmp_path: Path
) -> None:
    runner = make_runner(hungry=0.95)
    with pytest.raises(MemoryError, match="no room for a tensor") as error:
        search(tmp_path, runner)
    assert error.traceback[-1].name == "learn"  # where it was raised
    failed, _ = runner.trainer.learned[-1]
    assert failed.momentum > 0.95
    again = search(tmp_path, make_runner())
    assert again.table() == whole.table()
    assert again.runner.trainer.learned[0][0] == failed


@pytest.mark.parametrize("name", ["../../elsewhere", "..", "", "a/b", "/elsewhere"])
def test_a_process_name_that_could_lead_to_another_folder_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "elsewhere/kept"
    kept.parent.mkdir()
    kept.touch()
    monkeypatch.setenv("KERASTUNER_TUNER_ID", name)
    with pytest.raises(ValueError, match=r"`KERASTUNER_TUNER_ID` must consist of letters, digits, - and _; got '"):
        HyperbandSearch(make_runner, "sgd", SPACE, SETTINGS, tmp_path / "folder")
    assert kept.exists()


def test_a_runner_that_cannot_be_set_up_is_no_failed_trial(tmp_path: Path) -> None:
    def set_up() -> TrialRunner:
        raise FileNotFoundError("start.h5")

    with pytest.raises(FileNotFoundError, match=r"start\.h5"):
        HyperbandSearch(set_up, "sgd", SPACE, SETTINGS, tmp_path).search(verbose=0)


def test_rates_and_decays_are_drawn_on_a_logarithm_and_momentum_evenly() -> None:
    drawn = {entry.name: entry for entry in make_space(SPACE).space}
    # half of the draws lie below the geometric mean, or the mean
    assert drawn["learning_rate"].prob_to_value(0.5) == pytest.approx((1e-6 * 1e-3) ** 0.5)
    assert drawn["weight_decay"].prob_to_value(0.5) == pytest.approx(1e-3)
    assert drawn["momentum"].prob_to_value(0.5) == pytest.approx(0.945)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"KERASTUNER_TUNER_ID": "worker1"}, False),
        ({"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_TUNER_ID": "chief"}, False),
        ({"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_TUNER_ID": "worker1"}, True),
    ],
)
def test_a_worker_knows_its_place(variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert is_worker() == expected


def test_a_real_network_is_traced_once_and_its_table_comes_out_again(real_runner: TrialRunner, tmp_path: Path) -> None:
    short = replace(SETTINGS, schedule=replace(SETTINGS.schedule, epochs=2))
    space = replace(SPACE, learning_rate=(1e-4, 1e-2))
    tables = [search(tmp_path / name, real_runner, space, short).table() for name in "ab"]
    ended = [trial.val_loss for trial in tables[0] if not fails(trial)]  # some lose all objects of two images
    assert tables[0] == tables[1]
    assert len(set(ended)) == len(ended) >= 3
    step = real_runner.trainer.loss_model.train_function
    if hasattr(step, "experimental_get_tracing_count"):
        assert step.experimental_get_tracing_count() == 1
