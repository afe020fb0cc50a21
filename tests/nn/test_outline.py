"""A network is filled with tensors that are its own, and takes memory only for those."""

import pytest
import torch
from torch import nn

from smoecast.errors import ModelError
from smoecast.nn.outline import is_outline, restore_tensors


def made() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))


def test_the_same_weights_in_evaluation_mode() -> None:
    first = made()
    again = restore_tensors(made, first.state_dict())
    assert not again.training
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_halves_fill_singles() -> None:
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in made().state_dict().items()}
    assert restore_tensors(made, tensors).state_dict()["0.weight"].dtype == torch.float32


def test_the_random_numbers_are_those_of_one_network() -> None:
    tensors = made().state_dict()
    torch.manual_seed(0)
    restore_tensors(made, tensors)
    after = torch.rand(1)
    torch.manual_seed(0)
    made()
    assert torch.equal(torch.rand(1), after)


def test_what_does_not_fit_takes_no_memory() -> None:
    with pytest.raises(ModelError, match=r"the network has numbers of shape \(1000000000000,\)"):
        restore_tensors(lambda: nn.BatchNorm2d(10**12), made().state_dict())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"0.bias": None}, r"numbers of shape \(3,\) called 0.bias, the model nothing"),
        ({"more": torch.ones(1)}, "nothing called more"),
        ({"0.bias": torch.ones(4)}, r"the model numbers of shape \(4,\)"),
        ({"0.bias": torch.ones(3, dtype=torch.int64)}, r"the model integers of shape \(3,\)"),
        ({"0.bias": torch.ones(3, dtype=torch.bool)}, r"the model torch.bool of shape \(3,\)"),
        ({"0.bias": torch.tensor([1.0, torch.nan, 1.0])}, "0.bias holds values that are not fin"),
    ],
)
def test_what_does_not_fit_is_named(change: dict, words: str) -> None:
    tensors = {k: v for k, v in {**made().state_dict(), **change}.items() if v is not None}
    with pytest.raises(ModelError, match=words):
        restore_tensors(made, tensors)


def test_an_outline_is_known() -> None:
    assert not is_outline()
    with torch.device("meta"):
        assert is_outline()
