"""Convolution with filters of their own at every point, as fast as one filter for all.

Each point is a small product of matrices, (D, k k C) with (k k C, B). Of few samples, what the
points of some rows see is copied to one piece of memory, small enough to stay in the processor's
cache; of many, a product is made for each kernel row, which needs no copy. A library for many small
products does the rest. It is all a locally connected layer does, and all that is left of a Spatial
Mixture-of-Experts once each point has chosen.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.library import custom_op

from smoecast.nn.padding import pad_same, unfold_same

_IN_CACHE = 2**17
"""So many values may the points of some rows see together, unless one row sees more."""
_MANY = 16
"""From so many samples on a copy costs what it saves."""


class _PointConvolution(torch.autograd.Function):
    """Padded input (B, C, H + k - 1, W + k - 1) and filters (D, H, W, k, k, C) to (B, D, H, W)."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, filters: Tensor) -> Tensor:
        out, by_place = _convolve(padded, filters)
        ctx.save_for_backward(by_place, filters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return _gradients(grad, *ctx.saved_tensors, *ctx.needs_input_grad)


_point_convolution: Callable[[Tensor, Tensor], Tensor] = _PointConvolution.apply


def _convolve(padded: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """Return the result, and the input place by place, (B, H + k - 1, W + k - 1, C)."""
    by_place = padded.permute(0, 2, 3, 1).contiguous()
    channels, height, width = filters.shape[:3]
    out = padded.new_zeros(height * width, channels, len(padded))
    for points, taps, seen in _look_around(by_place, filters):
        out[points].baddbmm_(_own(filters, points, taps), seen.transpose(1, 2))
    return _by_sample(out).view(-1, channels, height, width), by_place


def _gradients(
    grad: Tensor, by_place: Tensor, filters: Tensor, wants_input: bool, wants_filters: bool
) -> tuple[Tensor | None, Tensor | None]:
    grad_input = _grad_input(grad, filters) if wants_input else None
    return grad_input, _grad_filters(grad, by_place, filters) if wants_filters else None


@custom_op("smoecast::convolve_by_point", mutates_args=())
def _convolve_compiled(padded: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """Do it for torch.compile, which would unroll the loops over rows."""
    out, by_place = _convolve(padded, filters)
    # of one channel nothing was laid out, and an operator returns what is its own
    return out, by_place.clone() if by_place.data_ptr() == padded.data_ptr() else by_place


@custom_op("smoecast::convolve_by_point_backward", mutates_args=())
def _gradients_compiled(
    grad: Tensor, by_place: Tensor, filters: Tensor, wants_input: bool, wants_filters: bool
) -> tuple[Tensor, Tensor]:
    one, other = _gradients(grad, by_place, filters, wants_input, wants_filters)
    return grad.new_empty(0) if one is None else one, grad.new_empty(0) if other is None else other


@_convolve_compiled.register_fake
def _fake_convolve(padded: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    batch, channels, height, width = padded.shape
    out = padded.new_empty(batch, *filters.shape[:3])
    return out, padded.new_empty(batch, height, width, channels)


@_gradients_compiled.register_fake
def _fake_gradients(
    grad: Tensor, by_place: Tensor, filters: Tensor, wants_input: bool, wants_filters: bool
) -> tuple[Tensor, Tensor]:
    batch, height, width, channels = by_place.shape
    one = (batch, channels, height, width) if wants_input else (0,)
    return grad.new_empty(one), grad.new_empty(filters.shape if wants_filters else (0,))


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1], inputs[1])


def _back(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    wanted = ctx.needs_input_grad
    found = _gradients_compiled(grad, *ctx.saved_tensors, *wanted)
    return tuple(one if wants else None for one, wants in zip(found, wanted, strict=True))


_convolve_compiled.register_autograd(_back, setup_context=_keep)


def _look_around(by_place: Tensor, filters: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield some points (of H W), some kernel rows, and what they see: (points, B, rows k C)."""
    height, width, size, _, channels = filters.shape[1:]
    batch, tall, wide, _ = by_place.shape
    # along a kernel row, what a place and its neighbours hold is one piece of memory; strides of
    # what has one element say nothing
    line = wide * channels
    if batch >= _MANY:
        for row, tap in product(range(height), range(size)):
            points, here = slice(row * width, (row + 1) * width), by_place[:, row + tap :]
            seen = here.as_strided((width, batch, size * channels), (channels, tall * line, 1))
            yield points, slice(tap, tap + 1), seen
        return
    at_once = max(1, _IN_CACHE // (width * batch * size**2 * channels))
    for row in range(0, height, at_once):
        rows = min(at_once, height - row)
        sizes = (rows, width, batch, size, size * channels)
        around = by_place[:, row:].as_strided(sizes, (line, channels, tall * line, line, 1))
        points = slice(row * width, (row + rows) * width)
        yield points, slice(None), around.reshape(rows * width, batch, -1)


def _own(filters: Tensor, points: slice, taps: slice = slice(None)) -> Tensor:
    """Return some kernel rows of some points' filters: (points, D, rows k C)."""
    return filters.flatten(1, 2)[:, points, taps].flatten(2).transpose(0, 1)


def _grad_filters(grad: Tensor, by_place: Tensor, filters: Tensor) -> Tensor:
    out, by_point = torch.empty_like(filters), _by_point(grad.flatten(2))  # (H W, D, B)
    for points, taps, seen in _look_around(by_place, filters):
        _own(out, points, taps).copy_(torch.bmm(by_point[points], seen))
    return out


def _grad_input(grad: Tensor, filters: Tensor) -> Tensor:
    height, width, size, _, channels = filters.shape[1:]
    out = grad.new_zeros(len(grad), height + size - 1, width + size - 1, channels)
    by_point = _by_point(grad.flatten(2).transpose(0, 1))  # (H W, B, D)
    for row in range(height):
        points = slice(row * width, (row + 1) * width)
        told = torch.bmm(by_point[points], _own(filters, points))  # (W, B, k k C)
        told = torch.unflatten(told, 2, (size, size, channels)).permute(1, 2, 0, 3, 4)
        for tap in range(size):
            out[:, row : row + size, tap : tap + width] += told[:, :, :, tap]
    return out.permute(0, 3, 1, 2).contiguous()


def _by_point(values: Tensor) -> Tensor:
    """Lay out (B, D, P) point by point, (P, D, B): two steps are faster than one."""
    turned = values.transpose(0, 1).contiguous()  # (D, B, P)
    return turned.flatten(0, 1).t().contiguous().view(-1, *turned.shape[:2])


def _by_sample(values: Tensor) -> Tensor:
    """Lay out (P, D, B) sample by sample, (B, D, P)."""
    turned = values.flatten(1).t().contiguous().view(*values.shape[1:], -1)  # (D, B, P)
    return turned.transpose(0, 1).contiguous()


def convolve_by_point(x: Tensor, filters: Tensor, padding: str) -> Tensor:
    """Convolve each point with its own filters.

    On the CPU by many small products, half precision in float32, which is faster there; elsewhere
    by one large product of unfolded neighbourhoods.

    Parameters
    ----------
    x : Tensor
        (B, C, H, W).
    filters : Tensor
        (D, H, W, k, k, C), the last axis contiguous.
    padding : str
        ``zeros`` or ``periodic`` (in longitude; zeros in latitude).

    Returns
    -------
    Tensor
        (B, D, H, W).
    """
    if x.device.type != "cpu":
        columns = unfold_same(x, filters.shape[3], padding)  # (B, C k k, H W)
        # (D, H, W, k, k, C) -> (D, C k k, H W)
        own = filters.permute(0, 5, 3, 4, 1, 2).flatten(1, 3).flatten(2)
        return torch.unflatten(torch.einsum("bcp,dcp->bdp", columns, own), 2, x.shape[2:])
    with torch.autocast(x.device.type, enabled=False):
        padded = pad_same(x.to(filters.dtype), filters.shape[3], padding)
        if torch.compiler.is_compiling():
            out: Tensor = _convolve_compiled(padded, filters.contiguous())[0]
            return out
        return _point_convolution(padded, filters.contiguous())
