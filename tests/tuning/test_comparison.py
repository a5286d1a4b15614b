"""The coarse comparison: who wins, why, and where to search on."""

import pytest

from maskrcnn.project.config import Candidate
from maskrcnn.tuning.comparison import (
    Interval,
    Sweep,
    SweptRate,
    check_comparisons,
    choose,
    compare,
    find_interval,
    summarize,
)
from maskrcnn.tuning.runs import Run

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


def test_a_run_is_summed_up_by_its_best_epoch() -> None:
    losses = enumerate([2.0, 1.23456, 1.5], start=1)
    run = Run([{"epoch": epoch, "val_loss": loss, "val_mask_loss": 0.5} for epoch, loss in losses])
    assert summarize(1e-3, run) == SweptRate(1e-3, 1.235, 2, None)


def test_a_run_that_lost_all_objects_has_no_loss() -> None:
    run = Run([{"epoch": 1, "val_loss": 0.1, "val_mask_loss": 0.0}])
    assert summarize(1e-3, run) == SweptRate(1e-3, None, None, None)


def test_a_run_that_diverged_counts_for_nothing_however_well_it_began() -> None:
    assert summarize(1e-3, Run([{"epoch": 1, "val_loss": 0.1}], diverged_at_step=12)) == SweptRate(1e-3, None, None, 12)


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
            r"`coarse\.comparisons` must be start, backbone, optimizer; got start, backbone, optimizer, rate",
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
