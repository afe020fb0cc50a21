"""Triton: experts judged by each other, from all experts' values and the gradient on.

One pass reads values and gradient, writes the gradient of all values, and adds up each expert's
error and, where it is asked for, the part of it that is proportional to the gradient. Sums over
the batch are taken in shares, which are added up in a fixed order: a run that is repeated ends the
same to the bit.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoecast.nn.smoe import routing
from smoecast.nn.smoe.kernels.quantile import NOT_FINITE
from smoecast.nn.smoe.kernels.tiles import (
    BLOCK,
    as_number,
    count_blocks,
    lay_out,
    new_like,
    on_its_device,
    power_above,
    share_batch,
)

BITS = tl.constexpr(NOT_FINITE)
MARGIN = tl.constexpr(routing.WINNING_MARGIN)


@triton.jit
def _compare(
    values, grad, index, whole, error, slope, infinite, unit, selected, points, samples, damping,
    v_b, v_c, v_p, g_b, g_c, g_p, w_b, w_c, w_p,
    GROUP: tl.constexpr, FILTERS: tl.constexpr, SHARED: tl.constexpr, SHARE: tl.constexpr,
    SLOPES: tl.constexpr, DAMPS: tl.constexpr, SPREADS: tl.constexpr,
    K_BLOCK: tl.constexpr, G_BLOCK: tl.constexpr, P_BLOCK: tl.constexpr,
):  # fmt: skip
    k = tl.program_id(0) * K_BLOCK + tl.arange(0, K_BLOCK)[:, None, None]
    g = tl.arange(0, G_BLOCK)[None, :, None]
    p = tl.program_id(1) * P_BLOCK + tl.arange(0, P_BLOCK)[None, None, :]
    served = (k < selected) & (p < points)
    inside = served & (g < GROUP)
    expert = k * GROUP + g
    first = tl.program_id(2) * SHARE
    last = tl.minimum(first + SHARE, samples)
    one_unit = tl.load(unit)
    chosen = tl.load(index + k * points + p, mask=served, other=0).to(tl.int32)
    errors = tl.full([K_BLOCK, G_BLOCK, P_BLOCK], 0, tl.float32)
    slopes = tl.full([K_BLOCK, G_BLOCK, P_BLOCK], 0, tl.float32)
    for b in range(first, last):
        row = tl.cast(b, tl.int64)
        if not SHARED:
            own = index + row * (selected * points)
            chosen = tl.load(own + k * points + p, mask=served, other=0).to(tl.int32)
        every = values + row * v_b + expert * (FILTERS * v_c) + p * v_p
        mine = values + row * v_b + chosen * (FILTERS * v_c) + p * v_p
        given = grad + row * g_b + k * (FILTERS * g_c) + p * g_p
        now = tl.full([K_BLOCK, G_BLOCK, P_BLOCK], 0, tl.float32)
        for f in tl.static_range(FILTERS):
            value = tl.load(every + f * v_c, mask=inside, other=0.0).to(tl.float32)
            picked = tl.load(mine + f * v_c, mask=served, other=0.0).to(tl.float32)
            pull = tl.load(given + f * g_c, mask=served, other=0.0).to(tl.float32)
            bits = pull.to(tl.int32, bitcast=True) & 0x7FFFFFFF
            tl.store(infinite + 0 * (k + p), 1, mask=served & (bits >= BITS))
            asked = picked - pull * one_unit
            now += (value - 2.0 * asked) * value
            if SLOPES:
                slopes += value * pull
        errors += now
        if SPREADS:
            factor = tl.full([K_BLOCK, 1, P_BLOCK], 1.0, tl.float32)
            if DAMPS:
                least = tl.min(tl.where(g < GROUP, now, float("inf")), axis=1, keep_dims=True)
                most = tl.max(tl.where(g < GROUP, tl.abs(now), 0.0), axis=1, keep_dims=True)
                ours = tl.sum(tl.where(expert == chosen, now, 0.0), axis=1, keep_dims=True)
                factor = tl.where(least < ours - MARGIN * most, damping, 1.0)
            into = whole + row * w_b + expert * (FILTERS * w_c) + p * w_p
            for f in tl.static_range(FILTERS):
                pull = tl.load(given + f * g_c, mask=served, other=0.0).to(tl.float32) * factor
                put = tl.where(expert == chosen, pull, 0.0)
                tl.store(into + f * w_c, put.to(whole.dtype.element_ty), mask=inside)
    at = (tl.cast(tl.program_id(2), tl.int64) * (selected * GROUP) + expert) * points + p
    tl.store(error + at, errors, mask=inside)
    if SLOPES:
        tl.store(slope + at, slopes, mask=inside)


@triton.jit
def _win(
    error, scores, index, gradient, losses, selected, points, numel,
    GROUP: tl.constexpr, G_BLOCK: tl.constexpr, P_BLOCK: tl.constexpr,
):  # fmt: skip
    row, k = tl.cast(tl.program_id(2), tl.int64), tl.program_id(1)
    g = tl.arange(0, G_BLOCK)[:, None]
    p = tl.program_id(0) * P_BLOCK + tl.arange(0, P_BLOCK)[None, :]
    inside = (g < GROUP) & (p < points)
    at = ((row * selected + k) * GROUP + g) * points + p
    now = tl.load(error + at, mask=inside, other=0.0)
    chosen = tl.load(index + (row * selected + k) * points + p, mask=p < points, other=0)
    chosen = chosen.to(tl.int32) - k * GROUP
    least = tl.min(tl.where(g < GROUP, now, float("inf")), axis=0)[None, :]
    most = tl.max(tl.abs(now), axis=0)[None, :]
    ours = tl.sum(tl.where(g == chosen, now, 0.0), axis=0)[None, :]
    best = tl.min(tl.where((g < GROUP) & (now == least), g, GROUP), axis=0)[None, :]
    winner = tl.where(least < ours - MARGIN * most, best, chosen)
    label = tl.where(g == winner, 1.0, 0.0)
    score = tl.load(scores + at, mask=inside, other=0.0).to(tl.float32)
    small = tl.exp(-tl.abs(score))  # without overflow
    sigmoid = tl.where(score < 0, small, 1.0) / (1.0 + small)
    tl.store(gradient + at, (sigmoid - label) / numel, mask=inside)
    loss = tl.maximum(score, 0.0) - score * label + tl.log(1.0 + small)
    total = tl.sum(tl.where(inside, loss, 0.0), axis=0)
    p = tl.program_id(0) * P_BLOCK + tl.arange(0, P_BLOCK)
    tl.store(losses + (row * selected + k) * points + p, total, mask=p < points)


@dataclass(frozen=True)
class Comparison:
    """What values and gradient say about the experts.

    Attributes
    ----------
    error : Tensor
        (E, H, W) as a mean over samples where they share the scores, else (B, E, H, W).
    slope : Tensor or None
        The sum of value x gradient over samples, (E, H, W).
    whole : Tensor or None
        The gradient of all experts' values, (B, E F, H, W), damped.
    finite : Tensor
        Whether all of the gradient is finite.
    """

    error: Tensor
    slope: Tensor | None
    whole: Tensor | None
    finite: Tensor


@on_its_device
def score_experts(
    values: Tensor,
    grad: Tensor,
    index: Tensor,
    how: routing.Selection,
    *,
    unit: Tensor | float,
    damping: float,
    slopes: bool,
    spreads: bool,
) -> Comparison:
    """Compare experts, and spread the damped gradient.

    Parameters
    ----------
    values : Tensor
        Of all experts, (B, E F, H, W).
    grad : Tensor
        (B, K F, H, W), of the main loss on the selected values.
    index : Tensor
        Selected experts of grouped routing, (K, H, W) or (B, K, H, W).
    how : Selection
        Grouped.
    unit : Tensor or float
        By which the gradient is multiplied to be a difference of values.
    damping : float
        Factor on the gradient where the selected expert was not the best of its sample.
    slopes, spreads : bool
        Whether value x gradient is to be added up, and the gradient of all values to be written.
    """
    values, laid = lay_out(values)
    grad, given = lay_out(grad)
    samples, points, shared = len(values), values.shape[2] * values.shape[3], index.dim() == 3
    filters = values.shape[1] // how.num_experts
    group = power_above(how.group_size)
    p_block = min(power_above(points), 8 if laid.by_channel else min(128, max(16, BLOCK // group)))
    k_block = min(power_above(how.num_selected), max(1, BLOCK // (group * p_block)))
    plane = (count_blocks(how.num_selected, k_block), count_blocks(points, p_block))
    share = share_batch(samples, plane[0] * plane[1]) if shared else 1
    shares = count_blocks(samples, share)
    whole, into = new_like(grad, laid, values.shape[1] if spreads else 0)
    error = values.new_empty((shares, how.num_experts, *values.shape[2:]), dtype=torch.float32)
    slope = torch.empty_like(error) if slopes else error
    infinite = torch.zeros((), dtype=torch.int32, device=values.device)
    # as plain PyTorch rounds it
    factor = float((1.0 + torch.tensor(damping - 1.0)).to(grad.dtype))
    _compare[(*plane, shares)](
        values, grad, index, whole, error, slope, infinite,
        as_number(unit, values),
        how.num_selected, points, samples, factor, laid.sample, laid.channel, laid.point,
        given.sample, given.channel, given.point, into.sample, into.channel, into.point,
        GROUP=how.group_size, FILTERS=filters, SHARED=shared, SHARE=share, SLOPES=slopes,
        DAMPS=damping != 1.0, SPREADS=spreads, K_BLOCK=k_block, G_BLOCK=group, P_BLOCK=p_block,
    )  # fmt: skip
    mean = error.sum(dim=0).div_(samples) if shared else error
    added = slope.sum(dim=0) if slopes else None
    return Comparison(mean, added, whole if spreads else None, infinite == 0)


@on_its_device
def comparative_loss(
    error: Tensor, scores: Tensor, index: Tensor, how: routing.Selection
) -> tuple[Tensor, Tensor]:
    """Return the routing loss that errors mean, and its gradient on the scores.

    Parameters
    ----------
    error, scores : Tensor
        (E, H, W) or (B, E, H, W).
    index : Tensor
        Selected experts of grouped routing, (K, H, W) or (B, K, H, W).
    how : Selection
        Grouped.

    Returns
    -------
    Tensor, Tensor
        A number, and float32 in the shape of the scores.
    """
    points, rows = scores.shape[-2] * scores.shape[-1], scores.shape[:-3].numel()
    group = power_above(how.group_size)
    p_block = min(power_above(points), max(16, BLOCK // group // 2), 256)
    gradient = torch.empty(scores.shape, dtype=torch.float32, device=scores.device)
    losses = gradient.new_empty(rows, how.num_selected, points)
    _win[(count_blocks(points, p_block), how.num_selected, rows)](
        error.float().contiguous(), scores.contiguous(), index, gradient, losses,
        how.num_selected, points, float(scores.numel()),
        GROUP=how.group_size, G_BLOCK=group, P_BLOCK=p_block,
    )  # fmt: skip
    return losses.sum() / scores.numel(), gradient
