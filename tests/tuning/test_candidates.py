"""The coarse comparison: who wins, why, and where to search on."""

import pytest

from maskrcnn.project.config import Candidate, Hyperband, Model, TuningSchedule, Variant
from maskrcnn.project.tuning_rules import check_comparisons
from maskrcnn.tuning.candidates import (
    Interval,
    choose,
    compare,
    find_changes,
    find_interval,
)
from maskrcnn.tuning.sweeps import Sweep, SweptRate

CANDIDATES = {
    "imagenet_50_sgd": Candidate("imagenet.h5", "resnet50", "sgd"),
    "coco_50_sgd": Candidate("coco.h5", "resnet50", "sgd"),
    "coco_101_sgd": Candidate("coco.h5", "resnet101", "sgd"),
    "coco_101_adam": Candidate("coco.h5", "resnet101", "adam"),
}
COMPARISONS = {
    "start": ["imagenet_50_sgd", "coco_50_sgd"],
    "backbone": ["coco_50_sgd", "coco_101_sgd"],
    "optimizer": ["coco_101_sgd", "coco_101_adam"],
}
RATES = (1e-3, 1e-4, 1e-5, 1e-6)


def sweep(name: str, *losses: float | None) -> Sweep:
    """Returns the sweep of a candidate over `RATES`; None is a rate that diverged."""
    return Sweep(
        CANDIDATES[name],
        [SweptRate(rate, loss, loss and 3, None if loss else 7) for rate, loss in zip(RATES, losses, strict=False)],
    )


# as in 2021: COCO, ResNet101, SGD diverges at 1e-3, Adam at 1e-3 and 1e-4
SWEEPS = {
    "imagenet_50_sgd": sweep("imagenet_50_sgd", None, 1.6, 1.7, 2.2),
    "coco_50_sgd": sweep("coco_50_sgd", None, 1.3, 1.2, 1.9),
    "coco_101_sgd": sweep("coco_101_sgd", None, 1.0, 1.1, 1.8),
    "coco_101_adam": sweep("coco_101_adam", None, None, 1.05, 1.2),
}


def test_the_lowest_loss_wins_each_at_its_best_rate() -> None:
    comparison = compare({name: SWEEPS[name] for name in COMPARISONS["start"]})
    assert comparison.winner == "coco_50_sgd"
    assert comparison.why == "coco_50_sgd reached 1.2 at rate 1e-05; imagenet_50_sgd reached 1.6 at rate 0.0001"
    assert comparison.best == {
        "imagenet_50_sgd": SweptRate(1e-4, 1.6, 3, None),
        "coco_50_sgd": SweptRate(1e-5, 1.2, 3, None),
    }


def test_a_candidate_that_diverged_at_every_rate_loses() -> None:
    comparison = compare({"a": sweep("coco_101_sgd", None, None), "b": sweep("coco_101_adam", 9.0, None)})
    assert comparison.winner == "b"
    assert comparison.best["a"] is None
    assert comparison.why == "b reached 9 at rate 0.001; a learned at no rate"


def test_losses_are_compared_unrounded_and_shown_with_the_digits_that_differ() -> None:
    # the first listed is worse by 8e-5, which four digits would hide
    comparison = compare({"a": sweep("coco_50_sgd", 1.52234), "b": sweep("coco_101_sgd", 1.52226)})
    assert comparison.winner == "b"
    assert comparison.why == "b reached 1.52226 at rate 0.001; a reached 1.52234 at rate 0.001"
    assert comparison.best["a"] == SweptRate(1e-3, 1.52234, 3, None)


@pytest.mark.parametrize("names", [("z", "a"), ("a", "z")])
def test_the_first_listed_wins_a_tie_whatever_its_name(names: tuple[str, str]) -> None:
    first, second = names
    comparison = compare({first: sweep("coco_50_sgd", 2.0, 1.5), second: sweep("coco_101_sgd", 1.5, 3.0)})
    assert comparison.winner == first
    assert comparison.why == (
        f"{first} reached 1.5 at rate 0.0001; {second} reached 1.5 at rate 0.001 (a tie: the first listed wins)"
    )


def test_losers_that_tie_are_no_tie() -> None:
    losers = {name: sweep("coco_50_sgd", 2.0) for name in "ab"}
    assert "tie" not in compare(losers | {"c": sweep("coco_101_sgd", 1.0)}).why


def test_if_all_diverged_there_is_no_winner() -> None:
    rule = r"`coarse\.learning_rates` must hold one at which a or b learns; add lower ones"
    with pytest.raises(ValueError, match=rule):
        compare({"a": sweep("coco_101_sgd", None, None), "b": sweep("coco_101_adam", None, None)})


def test_the_winner_is_what_won_each_comparison() -> None:
    comparisons = {key: compare({name: SWEEPS[name] for name in names}) for key, names in COMPARISONS.items()}
    assert choose(comparisons, SWEEPS) == Candidate("coco.h5", "resnet101", "sgd")


def test_a_start_with_a_file_for_each_backbone_wins_with_that_of_the_backbone() -> None:
    ours = Sweep(Candidate("coco_101.h5", "resnet101", "sgd"), SWEEPS["coco_101_sgd"].rates)
    sweeps = SWEEPS | {"coco_101_sgd": ours}
    comparisons = {key: compare({name: sweeps[name] for name in names}) for key, names in COMPARISONS.items()}
    assert choose(comparisons, sweeps).start == "coco_101.h5"


def test_a_start_that_did_not_go_on_wins_with_its_own_file() -> None:
    names = COMPARISONS | {"backbone": ["imagenet_50_sgd", "coco_101_sgd"]}
    comparisons = {key: compare({name: SWEEPS[name] for name in names[key]}) for key in names}
    sweeps = SWEEPS | {"coco_50_sgd": Sweep(Candidate("coco_50.h5", "resnet50", "sgd"), SWEEPS["coco_50_sgd"].rates)}
    assert choose(comparisons, sweeps).start == "coco_50.h5"


def test_the_published_intervals_come_out() -> None:
    assert find_interval("sgd", SWEEPS) == Interval(
        1e-5, 1e-4, "coco_101_sgd reached 1 at rate 0.0001; its better neighbour reached 1.1 at rate 1e-05"
    )
    assert find_interval("adam", SWEEPS) == Interval(
        1e-6, 1e-5, "coco_101_adam reached 1.05 at rate 1e-05; its better neighbour reached 1.2 at rate 1e-06"
    )


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((1.3, 1.0, 1.4, 2.0), (1e-4, 1e-3)),  # the higher neighbour is better
        ((1.0, 1.5, 1.4, 1.3), (1e-4, 1e-3)),  # the best is the highest rate
        ((1.5, 1.4, 1.3, 1.0), (1e-6, 1e-5)),  # and the lowest
    ],
)
def test_the_interval_lies_between_the_best_and_its_better_neighbour(
    losses: tuple[float, ...], expected: tuple[float, float]
) -> None:
    interval = find_interval("sgd", {"a": sweep("coco_101_sgd", *losses)})
    assert (interval.low, interval.high) == expected


def test_the_lower_of_two_equal_neighbours_is_taken_and_the_tie_is_noted() -> None:
    interval = find_interval("sgd", {"a": sweep("coco_101_sgd", 1.5, 1.0, 1.5)})
    assert interval == Interval(
        1e-5,
        1e-4,
        "a reached 1 at rate 0.0001; its better neighbour reached 1.5 at rate 1e-05 (a tie: the lower rate wins)",
    )


def test_an_interval_is_taken_from_the_first_of_two_equal_candidates() -> None:
    first, second = sweep("coco_50_sgd", 2.0, 1.0, 3.0), sweep("coco_101_sgd", 1.0, 2.0, 3.0)
    assert find_interval("sgd", {"z": first, "a": second}).why.startswith("z reached 1 at rate 0.0001")


def test_the_order_of_the_rates_does_not_matter() -> None:
    shuffled = Sweep(CANDIDATES["coco_101_sgd"], [SWEEPS["coco_101_sgd"].rates[i] for i in (2, 0, 3, 1)])
    assert find_interval("sgd", {"coco_101_sgd": shuffled}) == find_interval("sgd", SWEEPS)


def test_a_lonely_rate_makes_no_interval() -> None:
    rule = r"`coarse\.learning_rates` must hold two neighbours at which a learns; got 1e-06 alone"
    with pytest.raises(ValueError, match=rule):
        find_interval("sgd", {"a": sweep("coco_101_sgd", None, None, None, 1.0)})


def test_the_published_comparisons_are_sound() -> None:
    check_comparisons(COMPARISONS, CANDIDATES)


def test_a_start_of_its_own_may_go_with_a_backbone() -> None:
    check_comparisons(
        COMPARISONS,
        CANDIDATES
        | {"coco_50_sgd": Candidate("imagenet.h5", "resnet50", "sgd")}
        | {"imagenet_50_sgd": Candidate("other.h5", "resnet50", "sgd")},
    )


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (
            {"rate": []},
            r"`coarse\.comparisons` must have the keys start, backbone, optimizer; got start, .*, rate",
        ),
        (
            {"start": ["coco_50_sgd", "lost"]},
            r"`coarse\.comparisons\.start` must name entries of `candidates`; got lost",
        ),
        (
            {"start": ["imagenet_50_sgd", "coco_101_sgd"]},
            "differ in start alone; got .* which differ in start, backbone",
        ),
        (
            {"optimizer": ["coco_50_sgd", "coco_101_adam"]},
            "differ in optimizer alone; got .* differ in backbone, optimizer",
        ),
        ({"optimizer": ["coco_50_sgd", "coco_50_sgd"]}, "differ in optimizer alone; got .* differ in nothing"),
        ({"backbone": ["coco_50_sgd"]}, "differ in backbone alone; got coco_50_sgd, which differ in nothing"),
    ],
)
def test_comparisons_that_say_nothing_are_refused(change: dict[str, list[str]], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_comparisons(COMPARISONS | change, CANDIDATES)


MODEL = Model("resnet14", 8, 16, 16, 32, 8, (8.0, 16.0, 32.0, 48.0, 64.0), 24.0, 400)
HYPERBAND = Hyperband("old.h5", "heads", 2, 1, TuningSchedule(1, 1, 1, 1, 1))
VARIANTS = {
    "base": Variant("old.h5", "heads"),
    "flip": Variant("old.h5", "heads"),
    "unfreeze": Variant("models/base.h5", "5+"),
}


def test_the_advice_names_every_key_to_change() -> None:
    assert find_changes(Candidate("new.h5", "resnet26", "sgd"), MODEL, HYPERBAND, VARIANTS) == {
        "hyperband.start": "new.h5",
        "variants.base.start": "new.h5",
        "variants.flip.start": "new.h5",
        "model.backbone": "resnet26",
    }


def test_what_already_uses_the_winner_does_not_change() -> None:
    assert find_changes(Candidate("old.h5", "resnet14", "adam"), MODEL, HYPERBAND, VARIANTS) == {}
    assert find_changes(Candidate("old.h5", "resnet26", "sgd"), MODEL, HYPERBAND, VARIANTS) == {
        "model.backbone": "resnet26"
    }
