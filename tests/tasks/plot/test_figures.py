"""Charts of ensembles and of training."""

import pytest

from smoecast.tasks.plot import figures


def test_reliability_has_the_lines_that_it_is_judged_by() -> None:
    figure = figures.reliability({"raw": [(0.1, 0.2, 0.7), (0.9, 0.6, 0.3)]}, "t2m>280", 0.4)
    axes, below = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert {"reliable", "climatology", "no skill", "raw"} <= set(lines)
    assert lines["no skill"].get_ydata() == pytest.approx([0.2, 0.7])
    assert [bar.get_height() for bar in below.patches] == [0.7, 0.3]
    plain = figures.reliability({"raw": [(0.1, 0.2, 1.0)]}, "t2m>280")
    assert "no skill" not in [line.get_label() for line in plain.axes[0].lines]


def test_ranks_have_the_flat_line() -> None:
    figure = figures.ranks({"raw, 7 starts": [0.5, 0.25, 0.25]}, "t2m")
    (axes,) = figure.axes
    assert axes.lines[0].get_ydata() == pytest.approx([1 / 3, 1 / 3])
    assert axes.get_title() == "raw, 7 starts"


@pytest.mark.parametrize(("routing", "panels"), [(0.0, 2), (0.3, 3)])
def test_training_marks_the_best_epoch(routing: float, panels: int) -> None:
    epochs = [
        {"epoch": n, "train_loss": 1 / n, "validation_loss": 2 / n, "learning_rate": 1e-3}
        | {"routing_loss": routing, "best": n == 2}
        for n in (1, 2, 3)
    ]
    figure = figures.training(epochs, "t")
    assert len(figure.axes) == panels
    best = figure.axes[0].lines[-1]
    assert (list(best.get_xdata()), list(best.get_ydata())) == ([2], [1.0])
