"""What lies beyond the edge: the far side of the globe, as PyTorch's circular padding has it."""

import pytest
import torch
from torch.nn import functional

from smoecast.nn.padding import wrap


@pytest.mark.parametrize("size", [3, 5, 9])
def test_the_far_side_of_the_globe_to_the_bit_forward_and_backward(size):
    x = torch.randn(2, 3, 4, 8, requires_grad=True)
    half = size // 2
    mine, zeros = wrap(x, size, "periodic")
    theirs = functional.pad(x, (half, half, 0, 0), mode="circular")
    assert torch.equal(mine, theirs)
    assert zeros == (half, 0)
    grad = torch.randn_like(mine)
    assert torch.equal(*(torch.autograd.grad(out, x, grad)[0] for out in (mine, theirs)))


def test_a_kernel_as_wide_as_the_globe_gives_the_same_but_for_rounding():
    x = torch.randn(2, 3, 4, 8, requires_grad=True)
    theirs = functional.pad(x, (8, 8, 0, 0), mode="circular")
    mine, _ = wrap(x, 17, "periodic")
    grad = torch.randn_like(mine)
    torch.testing.assert_close(*(torch.autograd.grad(out, x, grad)[0] for out in (mine, theirs)))


def test_a_second_derivative_goes_through():
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: wrap(x, 3, "periodic")[0].square(), x)


def test_a_kernel_that_wraps_around_more_than_once_is_refused():
    with pytest.raises(ValueError, match="wraps around 4 longitudes more than once"):
        wrap(torch.zeros(1, 1, 2, 4), 11, "periodic")
