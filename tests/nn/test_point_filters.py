"""Filters of their own at every point: the fast way gives what unfolding gives."""

import pytest
import torch

from smoecast.nn.padding import unfold_same
from smoecast.nn.point_filters import convolve_by_point


def unfolded(x, filters, padding):
    """The plain twin: neighbourhoods by `unfold`, one sum of products."""
    channels, height, width, size = filters.shape[:4]
    own = filters.permute(0, 5, 3, 4, 1, 2).reshape(channels, -1, height * width)
    out = torch.einsum("bcp,dcp->bdp", unfold_same(x, size, padding), own)
    return out.view(-1, channels, height, width)


def draw(batch, channels, out, grid, size, dtype=torch.float64):
    torch.manual_seed(0)
    x = torch.randn(batch, channels, *grid, dtype=dtype, requires_grad=True)
    filters = torch.randn(out, *grid, size, size, channels, dtype=dtype, requires_grad=True)
    return x, filters


@pytest.mark.parametrize("padding", ["zeros", "periodic"])
@pytest.mark.parametrize(
    ("batch", "channels", "out", "grid", "size"),
    [
        (3, 4, 5, (6, 8), 3),
        (1, 1, 1, (2, 3), 1),
        (4, 1, 2, (4, 5), 3),
        (1, 2, 1, (4, 5), 3),
        (1, 1, 1, (3, 5), 3),
        (2, 7, 1, (1, 9), 5),
        (5, 2, 3, (7, 5), 3),
        (2, 6, 9, (3, 4), 7),
        (17, 3, 2, (4, 5), 3),
        (16, 1, 1, (3, 1), 3),
        (2, 60, 2, (9, 30), 3),
    ],
)
def test_it_gives_what_unfolding_gives_forward_and_backward(
    batch, channels, out, grid, size, padding
):
    x, filters = draw(batch, channels, out, grid, size)
    mine, theirs = convolve_by_point(x, filters, padding), unfolded(x, filters, padding)
    torch.testing.assert_close(mine, theirs)
    grad = torch.randn_like(mine)
    torch.testing.assert_close(
        torch.autograd.grad(mine, (x, filters), grad),
        torch.autograd.grad(theirs, (x, filters), grad),
    )


def test_only_the_gradients_that_are_wanted_are_made():
    x, filters = draw(2, 3, 4, (4, 6), 3)
    (grad,) = torch.autograd.grad(convolve_by_point(x.detach(), filters, "zeros").sum(), filters)
    assert grad.shape == filters.shape
    (grad,) = torch.autograd.grad(convolve_by_point(x, filters.detach(), "zeros").sum(), x)
    assert grad.shape == x.shape


def test_half_precision_is_computed_in_float32():
    x, filters = draw(2, 3, 4, (4, 6), 3, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = convolve_by_point(x.bfloat16(), filters, "zeros")
    torch.testing.assert_close(out, convolve_by_point(x.bfloat16().float(), filters, "zeros"))
    out.sum().backward()
    assert filters.grad.dtype == torch.float32


def test_other_devices_unfold():
    x, filters = (tensor.to("meta") for tensor in draw(2, 3, 4, (4, 6), 3))
    assert convolve_by_point(x, filters, "periodic").shape == (2, 4, 4, 6)


def test_filters_may_lie_in_any_order_in_memory():
    x, filters = draw(2, 3, 4, (4, 6), 3)
    turned = filters.detach().transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(
        convolve_by_point(x, turned, "zeros"), convolve_by_point(x, filters, "zeros")
    )


@pytest.mark.parametrize(("batch", "channels"), [(3, 2), (1, 1)])
def test_torch_compile_sees_one_operator(batch: int, channels: int) -> None:
    torch.manual_seed(0)
    parts = torch.randn(batch, channels, 4, 5), torch.randn(2, 4, 5, 3, 3, channels)
    torch.compiler.reset()
    compiled = torch.compile(convolve_by_point, backend="aot_eager", fullgraph=True)
    found = []
    for convolve in (convolve_by_point, compiled):
        x, filters = (part.clone().requires_grad_() for part in parts)
        out = convolve(x, filters, "zeros")
        out.square().mean().backward()
        found.append((out.detach(), x.grad, filters.grad))
    torch.testing.assert_close(*found)
