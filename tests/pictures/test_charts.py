"""Charts: the lines and points that they show."""

import numpy as np

from maskrcnn.pictures.charts import draw_ap_by_iou, draw_sweeps, draw_trials
from maskrcnn.project.palette import LINE_COLORS


def names_in_legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_ap_by_iou_is_a_falling_line_a_variant() -> None:
    rows = {name: {f"AP{iou}": best - iou / 200 for iou in range(50, 100, 5)} for name, best in (("a", 1), ("b", 0.9))}
    figure = draw_ap_by_iou(rows)
    one, other = figure.axes[0].lines
    np.testing.assert_allclose(one.get_xdata(), np.arange(50, 100, 5) / 100)
    np.testing.assert_allclose(other.get_ydata()[[0, -1]], [0.65, 0.425])  # 0.9 - 50 / 200 and 0.9 - 95 / 200
    assert names_in_legend(figure) == ["a", "b"]


def test_rates_are_sorted_and_those_that_diverged_are_crosses() -> None:
    sweep = [{"learning_rate": rate, "val_loss": loss} for rate, loss in ((0.1, None), (0.001, 2.0), (0.01, 1.0))]
    figure = draw_sweeps({"sgd": sweep, "adam": sweep})
    axes = figure.axes[0]
    line, crosses, _, other_crosses = axes.lines
    assert list(zip(line.get_xdata(), line.get_ydata(), strict=True)) == [(0.001, 2), (0.01, 1)]
    assert crosses.get_marker() == "x" and crosses.get_xdata() == [0.1]
    assert crosses.get_ydata() != other_crosses.get_ydata()  # of two candidates, side by side
    assert axes.get_xscale() == "log" and names_in_legend(figure) == ["sgd", "adam"]


def test_trials_that_failed_are_left_out_and_longer_ones_are_larger() -> None:
    shared = {"momentum": 0.9, "weight_decay": 0.001}
    trials = [
        {"learning_rate": 0.001, "epochs": 1, "val_loss": 2.0} | shared,
        {"learning_rate": 0.01, "epochs": 4, "val_loss": 1.0} | shared,
        {"learning_rate": 0.1, "epochs": 4, "val_loss": None} | shared,
    ]
    figure = draw_trials({"sgd": trials})
    points = figure.axes[0].collections[0]
    assert np.asarray(points.get_offsets()).tolist() == [[0.001, 2.0], [0.01, 1.0]]
    assert (np.diff(points.get_sizes()) > 0).all()
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "larger: more epochs; 1 of 3 trials failed and are left out"
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear", "log"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["learning_rate", "momentum", "weight_decay"]


def test_more_variants_than_colours() -> None:
    count = 2 * len(LINE_COLORS) + 1
    rows = {str(i): {f"AP{iou}": 0.5 for iou in range(50, 100, 5)} for i in range(count)}
    lines = draw_ap_by_iou(rows).axes[0].lines
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == count


def test_an_iou_without_ap_is_not_drawn() -> None:
    (line,) = draw_ap_by_iou({"base": {"AP50": 0.5}}).axes[0].lines
    assert line.get_ydata()[0] == 0.5 and np.isnan(line.get_ydata()[1:]).all()
