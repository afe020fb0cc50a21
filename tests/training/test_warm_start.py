"""Weights of another model: taken where they fit, refused by name where they do not."""

import pytest
import torch
from small_training import pure_model, small_model

from smoecast.errors import ModelError
from smoecast.training.warm_start import adopt


def other_model():
    model = pure_model(seed=5)
    model.normalizer.input_mean += 3.0
    return model


def test_weights_come_and_statistics_stay():
    mine, theirs = pure_model(seed=1), other_model()
    adopt(mine, theirs.state_dict(), "old", keep_statistics=False)
    for ours, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(ours, other)
    assert mine.normalizer.input_mean.tolist() == [0.0, 0.0]


def test_statistics_come_too_when_asked_for():
    mine = pure_model(seed=1)
    adopt(mine, other_model().state_dict(), "old", keep_statistics=True)
    assert mine.normalizer.input_mean.tolist() == [3.0, 3.0]


def test_fields_without_time_are_those_of_the_new_run():
    mine = pure_model()
    mine.register_buffer("constants", torch.ones(1, 5, 6))
    tensors = {**other_model().state_dict(), "constants": torch.zeros(2, 8, 8)}
    adopt(mine, tensors, "old", keep_statistics=True)
    assert mine.constants.sum() == 30


def test_running_statistics_of_the_network_come_with_the_weights():
    mine, theirs = small_model(seed=1), small_model(seed=2)
    name = next(n for n in theirs.state_dict() if n.endswith("running_mean"))
    theirs.state_dict()[name].fill_(0.25)
    adopt(mine, theirs.state_dict(), "old", keep_statistics=False)
    assert (mine.state_dict()[name] == 0.25).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("shape", r"at backbone\.last\.weight: the model has \(1, 2\), the network of .*has \(4, "),
        (
            "missing",
            r"at backbone\.last\.weight: the model has no such tensor, the network .*\(4, ",
        ),
        (
            "extra",
            r"at backbone\.more: the model has \(3,\), the network .* has no such tensor; use",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_changed(change, words):
    mine, tensors = pure_model(seed=1), dict(other_model().state_dict())
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    if change == "shape":
        tensors["backbone.last.weight"] = torch.zeros(1, 2)
    elif change == "missing":
        del tensors["backbone.last.weight"]
    else:
        tensors["backbone.more"] = torch.zeros(3)
    with pytest.raises(ModelError, match="old: the weights do not fit this network " + words):
        adopt(mine, tensors, "old", keep_statistics=False)
    assert all(torch.equal(v, before[k]) for k, v in mine.state_dict().items())
