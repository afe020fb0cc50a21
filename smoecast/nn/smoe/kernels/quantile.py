"""Triton: the quantile of each sample's errors, exact, by counting leading bits.

The bits of floats that are not negative rise with their value. A first pass counts by the leading
ones, the next by those that follow, among the values that share the wanted ones' bits, until all
bits are known: two passes for bf16 and fp16, three for float32. Counts are whole numbers, so the
order in which programs add theirs decides nothing.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoecast.nn.smoe.kernels.tiles import BLOCK, PROGRAMS, Layout, count_blocks

WIDTHS = {torch.bfloat16: (8, 7), torch.float16: (9, 9), torch.float32: (10, 11, 10)}
"""Bits that each pass counts by, of the 31 beside the sign; a narrow type has zeros in the rest."""

NOT_FINITE = 0x7F800000
"""From here on bits are those of infinity and of what is no number."""

LARGEST = tl.constexpr(NOT_FINITE - 1)
"""The bits of the largest number, where no error is larger than those that are counted."""


@triton.jit
def _count(
    grad, counts, state, above, total, inner, g_b, g_c, g_inner, g_outer, tiles, row_length, first,
    LAST: tl.constexpr, STEPS: tl.constexpr, SHIFT: tl.constexpr, WIDTH: tl.constexpr,
    FILTERS: tl.constexpr, BLOCK_SIZE: tl.constexpr,
):  # fmt: skip
    sample = tl.program_id(1)
    BINS: tl.constexpr = 1 << WIDTH
    found = tl.full([BINS], 0, tl.int32)
    least = tl.full([BLOCK_SIZE], LARGEST, tl.int32)
    prefix = tl.load(state + 2 * sample)
    base = grad + tl.cast(sample, tl.int64) * g_b
    for tile in range(tiles):
        at = (tl.program_id(0) * tiles + tile) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
        inside = at < total
        place = (at % inner) * g_inner + (at // inner) * g_outer
        error = tl.full([BLOCK_SIZE], 0, tl.float32)
        for f in tl.static_range(FILTERS):
            error += tl.abs(tl.load(base + place + f * g_c, mask=inside, other=0.0).to(tl.float32))
        if FILTERS > 1:
            error = error / FILTERS
        bits = error.to(tl.int32, bitcast=True) & 0x7FFFFFFF
        if STEPS > 0:
            shared = bits >> (SHIFT + WIDTH)
            if LAST:
                beyond = tl.where(inside & (shared > prefix), bits, LARGEST)
                least = tl.minimum(least, beyond)
            inside = inside & (shared == prefix)
        found += tl.histogram((bits >> SHIFT) & (BINS - 1), BINS, mask=inside)
    bins = tl.arange(0, BINS)
    tl.atomic_add(counts + sample * row_length + first + bins, found, mask=found > 0)
    if LAST:
        tl.atomic_min(above + sample, tl.min(least, axis=0))


@triton.jit
def _narrow(
    counts, state, above, limits, unit, row_length, first, weight, label_margin, damping_margin,
    LAST: tl.constexpr, SHIFT: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    sample = tl.program_id(0)
    BINS: tl.constexpr = 1 << WIDTH
    bins = tl.arange(0, BINS)
    found = tl.load(counts + sample * row_length + first + bins)
    upto = tl.cumsum(found, axis=0)
    prefix = tl.load(state + 2 * sample)
    rank = tl.load(state + 2 * sample + 1)
    chosen = tl.sum((upto <= rank).to(tl.int32), axis=0)
    before = tl.sum(tl.where(bins < chosen, found, 0), axis=0)
    whole = (prefix << WIDTH) | chosen
    if not LAST:
        tl.store(state + 2 * sample, whole)
        tl.store(state + 2 * sample + 1, rank - before)
    if LAST:
        following = tl.sum((upto <= rank + 1).to(tl.int32), axis=0)
        beside = ((prefix << WIDTH) | following) << SHIFT
        upper = tl.where(following < BINS, beside, tl.load(above + sample))
        low = (whole << SHIFT).to(tl.float32, bitcast=True)
        high = upper.to(tl.float32, bitcast=True)
        step = high - low
        limit = tl.where(weight < 0.5, low + weight * step, high - (1.0 - weight) * step)
        limit = tl.where(weight > 0.0, limit, low)
        one = tl.load(unit)
        tl.store(limits + 2 * sample, limit + label_margin * one)
        tl.store(limits + 2 * sample + 1, limit + damping_margin * one)


@dataclass(frozen=True)
class Limits:
    """What an error must exceed to be incorrect.

    Attributes
    ----------
    limits : Tensor
        (B, 2), for the labels and for the damping.
    finite : Tensor
        Whether all errors are finite, one truth value.
    """

    limits: Tensor
    finite: Tensor


def find_limits(
    grad: Tensor,
    laid: Layout,
    num_filters: int,
    quantile: float,
    unit: Tensor,
    margins: tuple[float, float],
) -> Limits:
    """Find each sample's quantile of abs(grad), of several filters of their mean, and the limits.

    Parameters
    ----------
    grad : Tensor
        (B, K F, H, W), laid out as `laid` says.
    laid : Layout
        Of the gradient.
    num_filters : int
        F.
    quantile : float
        From 0 to 1.
    unit : Tensor
        A number, in which margins are counted.
    margins : tuple of float
        Beside the quantile, for labels and damping.
    """
    samples, device = len(grad), grad.device
    experts, points = grad.shape[1] // num_filters, grad.shape[2] * grad.shape[3]
    total = experts * points
    widths = WIDTHS[grad.dtype if num_filters == 1 else torch.float32]
    rank = float(quantile * (total - 1))
    below = max(0, min(int(rank), total - 2))
    bins = sum(1 << width for width in widths)
    counts = torch.zeros(samples, bins, dtype=torch.int32, device=device)
    state = torch.zeros(samples, 2, dtype=torch.int32, device=device)
    state[:, 1] = below
    above = torch.full((samples,), LARGEST.value, dtype=torch.int32, device=device)
    limits = torch.empty(samples, 2, dtype=torch.float32, device=device)
    # what lies side by side in memory is read side by side
    inner = experts if laid.by_channel else points
    steps = (num_filters * laid.channel, laid.point)
    g_inner, g_outer = steps if laid.by_channel else steps[::-1]
    wanted = max(1, min(count_blocks(total, BLOCK), count_blocks(PROGRAMS, samples)))
    tiles = count_blocks(count_blocks(total, BLOCK), wanted)
    programs = count_blocks(total, BLOCK * tiles)
    first, left = 0, 31
    for step, width in enumerate(widths):
        left -= width
        last = step == len(widths) - 1
        _count[(programs, samples)](
            grad, counts, state, above, total, inner, laid.sample, laid.channel, g_inner, g_outer,
            tiles, counts.shape[1], first,
            LAST=last, STEPS=step, SHIFT=left, WIDTH=width, FILTERS=num_filters, BLOCK_SIZE=BLOCK,
        )  # fmt: skip
        _narrow[(samples,)](
            counts, state, above, limits, unit, counts.shape[1], first, rank - below, *margins,
            LAST=last, SHIFT=left, WIDTH=width,
        )  # fmt: skip
        first += 1 << width
    infinite = NOT_FINITE >> (31 - widths[0])
    return Limits(limits, ~counts[:, infinite : 1 << widths[0]].any())
