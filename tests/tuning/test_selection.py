"""The hyperparameters of the final trainings: the best that were found, unless they are overruled."""

from pathlib import Path

import pytest

from maskrcnn.project.config import Hyperparameters, SearchSpace, Select
from maskrcnn.project.params import read_whole
from maskrcnn.tuning.selection import Selection, select
from maskrcnn.tuning.trials import Search, Trial

ROOT = Path(__file__).parents[2]
SPACE = SearchSpace(None, (1e-4, 1e-2), (0.9, 0.99))


def search(optimizer: str, rate: float, momentum: float, decay: float, loss: float) -> Search:
    best = Trial(3, 1, 1, 2, 4, Hyperparameters(optimizer, rate, momentum, decay), loss, None)
    return Search(SPACE, [best], [best])


# the table of 2021
SEARCHES = {
    "sgd": search("sgd", 5.93e-5, 0.98, 5.83e-3, 0.86),
    "adam": search("adam", 7.3e-6, 0.96, 5.67e-4, 0.93),
}
NOTHING = Select(None, None, None, None)


def test_the_best_of_all_searches_is_taken() -> None:
    hyperparameters, why = select(SEARCHES, NOTHING)
    assert hyperparameters == Hyperparameters("sgd", 5.93e-5, 0.98, 5.83e-3)
    assert why == Selection("the best trial of sgd: sgd reached 0.86; adam reached 0.93", {})


@pytest.mark.parametrize("names", [("sgd", "adam"), ("adam", "sgd")])
def test_the_first_listed_wins_a_tie(names: tuple[str, str]) -> None:
    first, second = names
    hyperparameters, why = select({name: search(name, 1e-4, 0.9, 1e-3, 0.5) for name in names}, NOTHING)
    assert hyperparameters.optimizer == first
    assert why.found == (
        f"the best trial of {first}: {first} reached 0.5; {second} reached 0.5 (a tie: the first listed wins)"
    )


def test_losses_are_compared_unrounded() -> None:
    searches = {"sgd": search("sgd", 1e-4, 0.9, 1e-3, 1.41204), "adam": search("adam", 1e-4, 0.9, 1e-3, 1.41201)}
    hyperparameters, why = select(searches, NOTHING)
    assert hyperparameters.optimizer == "adam"
    assert why.found == "the best trial of adam: sgd reached 1.41204; adam reached 1.41201"


def test_a_person_overrules_value_by_value() -> None:
    hyperparameters, why = select(SEARCHES, Select(None, 6e-5, None, 6e-3))
    assert hyperparameters == Hyperparameters("sgd", 6e-5, 0.98, 6e-3)
    assert why.overruled == {
        "learning_rate": "6e-05 instead of 5.93e-05",
        "weight_decay": "0.006 instead of 0.00583",
    }


def test_another_optimizer_comes_with_what_its_own_search_found() -> None:
    hyperparameters, why = select(SEARCHES, Select("adam", None, 0.95, None))
    assert hyperparameters == Hyperparameters("adam", 7.3e-6, 0.95, 5.67e-4)
    assert why.found.startswith("the best trial of adam")
    assert why.overruled == {"momentum": "0.95 instead of 0.96", "optimizer": "adam by name"}


def test_a_value_of_zero_overrules() -> None:
    assert select(SEARCHES, Select(None, None, 0.0, 0.0))[0] == Hyperparameters("sgd", 5.93e-5, 0.0, 0.0)


def test_overruling_by_what_was_found_changes_nothing() -> None:
    assert select(SEARCHES, Select("sgd", 5.93e-5, 0.98, 5.83e-3))[0] == select(SEARCHES, NOTHING)[0]


def test_an_optimizer_that_was_not_searched_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`select\.optimizer` must be one of sgd, adam, or null; got 'rmsprop'"):
        select(SEARCHES, Select("rmsprop", None, None, None))


def test_the_pin_holds_the_published_values() -> None:
    # what was trained with is the best trial, rounded
    pinned = read_whole(Hyperparameters, ROOT / "pins/published_2021.yaml")
    assert pinned == Hyperparameters("sgd", 6e-5, 0.98, 6e-3)
    found, _ = select(SEARCHES, NOTHING)
    for key in ("learning_rate", "momentum", "weight_decay"):
        assert getattr(pinned, key) == pytest.approx(getattr(found, key), rel=0.05)
