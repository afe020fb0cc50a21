"""Convolution with filters of their own at every point, as fast as one filter for all.

Each point is a small product of matrices, (D, C k k) with (C k k, B). The fields are laid out point
by point once, (H, W, C, B), so that what a point sees along a row of the kernel is one piece of
memory: neighbouring points share it, nothing is copied, and a library for many small products does
the rest. It is all a locally connected layer does, and all that is left of a Spatial
Mixture-of-Experts once each point has chosen.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.library import custom_op

from smoecast.nn.padding import pad_same, unfold_same


class _PointConvolution(torch.autograd.Function):
    """Padded input (B, C, H + k - 1, W + k - 1) and filters (D, H, W, k, k, C) to (B, D, H, W)."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, filters: Tensor) -> Tensor:
        out, by_point = _convolve(padded, filters)
        ctx.save_for_backward(by_point, filters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return _gradients(grad, *ctx.saved_tensors, *ctx.needs_input_grad)


_point_convolution: Callable[[Tensor, Tensor], Tensor] = _PointConvolution.apply


def _convolve(padded: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """Return the result, and the input point by point, (H + k - 1, W + k - 1, C, B)."""
    by_point = _by_point(padded)
    channels, height, width, size = filters.shape[:4]
    out = padded.new_empty(height, width, channels, len(padded))
    for row in range(height):
        for tap in range(size):
            seen, own = _seen(by_point[row + tap], width, size), _own(filters, row, tap)
            if tap == 0:
                torch.bmm(own, seen, out=out[row])
            else:
                out[row].baddbmm_(own, seen)
    return _by_sample(out), by_point


def _gradients(
    grad: Tensor, by_point: Tensor, filters: Tensor, wants_input: bool, wants_filters: bool
) -> tuple[Tensor | None, Tensor | None]:
    grad = _by_point(grad)  # (H, W, D, B)
    grad_input = _grad_input(grad, filters, by_point.shape) if wants_input else None
    return grad_input, _grad_filters(grad, by_point, filters) if wants_filters else None


@custom_op("smoecast::convolve_by_point", mutates_args=())
def _convolve_compiled(padded: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """Do it for torch.compile, which would unroll the loops over rows."""
    out, by_point = _convolve(padded, filters)
    # of one channel and one sample nothing was laid out, and an operator returns what is its own
    return out, by_point.clone() if by_point.data_ptr() == padded.data_ptr() else by_point


@custom_op("smoecast::convolve_by_point_backward", mutates_args=())
def _gradients_compiled(
    grad: Tensor, by_point: Tensor, filters: Tensor, wants_input: bool, wants_filters: bool
) -> tuple[Tensor, Tensor]:
    one, other = _gradients(grad, by_point, filters, wants_input, wants_filters)
    return grad.new_empty(0) if one is None else one, grad.new_empty(0) if other is None else other


@_convolve_compiled.register_fake
def _fake_convolve(padded: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    batch, channels, height, width = padded.shape
    out = padded.new_empty(batch, *filters.shape[:3])
    return out, padded.new_empty(height, width, channels, batch)


@_gradients_compiled.register_fake
def _fake_gradients(
    grad: Tensor, by_point: Tensor, filters: Tensor, wants_input: bool, wants_filters: bool
) -> tuple[Tensor, Tensor]:
    height, width, channels, batch = by_point.shape
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


def _seen(row: Tensor, width: int, size: int) -> Tensor:
    """Return what each point sees of one row (W + k - 1, C, B), without a copy: (W, k C, B)."""
    channels, batch = row.shape[1:]  # strides of what has one element say nothing
    return row.as_strided((width, size * channels, batch), (channels * batch, batch, 1))


def _own(filters: Tensor, row: int, tap: int) -> Tensor:
    """Return one kernel row of the filters along a row of points: (W, D, k C)."""
    return filters[:, row, :, tap].flatten(2).transpose(0, 1)


def _grad_filters(grad: Tensor, by_point: Tensor, filters: Tensor) -> Tensor:
    out = torch.empty_like(filters)
    width, size = filters.shape[2:4]
    for row, one in enumerate(grad):
        for tap in range(size):
            seen = _seen(by_point[row + tap], width, size).transpose(1, 2)  # (W, B, k C)
            _own(out, row, tap).copy_(torch.bmm(one, seen))
    return out


def _grad_input(grad: Tensor, filters: Tensor, shape: torch.Size) -> Tensor:
    out = grad.new_zeros(shape)  # (H + k - 1, W + k - 1, C, B)
    height, width, size = filters.shape[1:4]
    for place in range(len(out)):
        # what all kernel rows say to this row of the input, (W, k C, B)
        first, *others = range(max(0, place - height + 1), min(size, place + 1))
        parts = torch.bmm(_own(filters, place - first, first).transpose(1, 2), grad[place - first])
        for tap in others:
            parts.baddbmm_(_own(filters, place - tap, tap).transpose(1, 2), grad[place - tap])
        # (W, k C, B) -> k x (W, C, B)
        for number, part in enumerate(torch.unflatten(parts, 1, (size, -1)).unbind(1)):
            out[place, number : number + width] += part
    return _by_sample(out)


def _by_point(fields: Tensor) -> Tensor:
    """Lay out (B, C, H, W) point by point, (H, W, C, B): two steps are twice as fast as one."""
    turned = fields.flatten(1).t().contiguous().view(*fields.shape[1:], -1)  # (C, H, W, B)
    return turned.permute(1, 2, 0, 3).contiguous()


def _by_sample(fields: Tensor) -> Tensor:
    """Lay out (H, W, C, B) sample by sample, (B, C, H, W)."""
    turned = fields.permute(2, 0, 1, 3).contiguous()  # (C, H, W, B)
    return turned.view(-1, turned.shape[3]).t().contiguous().view(-1, *turned.shape[:3])


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
