import pytest

from smoecast.config.training import Training
from smoecast.training.schedule import Progress, is_over, rate


def follow(losses, **settings):
    progress = Progress()
    for epoch, loss in enumerate(losses, start=1):
        progress = progress.after(epoch, loss, Training(**settings))
    return progress


def test_best_is_the_lowest_and_the_first_of_equals():
    progress = follow([3.0, 1.0, 2.0, 1.0])
    assert (progress.best_epoch, progress.best_loss, progress.stale) == (2, 1.0, 2)


def test_rate_falls_after_waiting_and_again():
    settings = Training(plateau_patience=2, plateau_factor=0.1, learning_rate=1.0)
    losses = [1.0, 2.0, 2.0, 2.0, 2.0]
    rates = [rate(1.0, follow(losses[:n], plateau_patience=2), 0.0, settings) for n in range(1, 6)]
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01])


def test_a_gain_resets_the_wait_but_not_the_falls():
    progress = follow([1.0, 2.0, 0.5, 2.0], plateau_patience=2)
    assert (progress.waited, progress.falls) == (1, 0)
    progress = follow([1.0, 2.0, 2.0, 0.5], plateau_patience=2)
    assert (progress.waited, progress.falls, progress.stale) == (0, 1, 0)


def test_cosine_never_counts_falls():
    assert follow([1.0] * 9, schedule="cosine").falls == 0


def test_cosine_goes_from_all_to_the_floor():
    settings = Training(schedule="cosine", minimum_rate=1e-6)
    rates = [rate(2.0, Progress(), share, settings) for share in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([2.0, 1.0, 1e-6])


def test_rate_has_a_floor_unless_it_begins_below():
    settings = Training(minimum_rate=1e-2)
    deep = Progress(falls=9)
    assert rate(1.0, deep, 0.0, settings) == 1e-2
    assert rate(1e-3, deep, 0.0, settings) == 1e-3


def test_over_when_epochs_or_patience_are_used_up():
    settings = Training(epochs=10, patience=3)
    assert not is_over(Progress(stale=2), 9, settings)
    assert is_over(Progress(stale=3), 9, settings)
    assert is_over(Progress(stale=0), 10, settings)
