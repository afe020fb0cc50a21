"""Triton: the paper's training signal, from the gradient of the selected values on.

One pass writes the gradient of all experts' values, damped where an output is incorrect, and counts
how often each expert was; the gradient of the routing loss is made of the counts, which have no
batch any more. The limits are those of `quantile`.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoecast.nn.smoe import routing
from smoecast.nn.smoe.kernels.places import find_slots
from smoecast.nn.smoe.kernels.quantile import find_limits
from smoecast.nn.smoe.kernels.tiles import (
    BLOCK,
    as_number,
    count_blocks,
    cut_plane,
    lay_out,
    new_like,
    on_its_device,
    power_above,
    share_batch,
)


@triton.jit
def _score(
    grad, slots, limits, whole, wrong, experts, points, samples, damping,
    g_b, g_c, g_p, w_b, w_c, w_p,
    SHARED: tl.constexpr, SHARE: tl.constexpr, FILTERS: tl.constexpr,
    E_BLOCK: tl.constexpr, P_BLOCK: tl.constexpr,
):  # fmt: skip
    e = tl.program_id(0) * E_BLOCK + tl.arange(0, E_BLOCK)[:, None]
    p = tl.program_id(1) * P_BLOCK + tl.arange(0, P_BLOCK)[None, :]
    inside = (e < experts) & (p < points)
    first = tl.program_id(2) * SHARE
    last = tl.minimum(first + SHARE, samples)
    channel = e * FILTERS  # the first filter of an expert; the others follow
    slot = tl.load(slots + channel * points + p, mask=inside, other=-1).to(tl.int32)
    count = tl.full([E_BLOCK, P_BLOCK], 0, tl.float32)
    for b in range(first, last):
        row = tl.cast(b, tl.int64)
        if not SHARED:
            own = slots + row * (experts * FILTERS * points)
            slot = tl.load(own + channel * points + p, mask=inside, other=-1).to(tl.int32)
        chosen = slot >= 0
        given = grad + row * g_b + slot * g_c + p * g_p
        error = tl.full([E_BLOCK, P_BLOCK], 0, tl.float32)
        for f in tl.static_range(FILTERS):
            error += tl.abs(tl.load(given + f * g_c, mask=chosen, other=0.0).to(tl.float32))
        if FILTERS > 1:
            error = error / FILTERS
        count += tl.where(chosen & (error > tl.load(limits + 2 * b)), 1.0, 0.0)
        factor = tl.where(error > tl.load(limits + 2 * b + 1), damping, 1.0)
        into = whole + row * w_b + channel * w_c + p * w_p
        for f in tl.static_range(FILTERS):
            damped = tl.load(given + f * g_c, mask=chosen, other=0.0).to(tl.float32) * factor
            tl.store(into + f * w_c, damped.to(whole.dtype.element_ty), mask=inside)
    at = (tl.cast(tl.program_id(2), tl.int64) * experts + e) * points + p
    tl.store(wrong + at, count, mask=inside)


@triton.jit
def _blame(
    scores, wrong, slots, gradient, losses, experts, points, group, rivals, shares, share_size,
    numel, FILTERS: tl.constexpr, E_BLOCK: tl.constexpr, P_BLOCK: tl.constexpr,
):  # fmt: skip
    row, begin = tl.cast(tl.program_id(2), tl.int64), tl.program_id(1) * group
    p = tl.program_id(0) * P_BLOCK + tl.arange(0, P_BLOCK)[None, :]
    plane = experts * points
    incorrect = tl.full([P_BLOCK], 0, tl.float32)
    for block in range(0, group, E_BLOCK):
        within = block + tl.arange(0, E_BLOCK)[:, None]
        inside = (within < group) & (p < points)
        at = (begin + within) * points + p
        for share in range(0, shares):
            place = (row * shares + share) * plane + at
            incorrect += tl.sum(tl.load(wrong + place, mask=inside, other=0.0), axis=0)
    blame = (incorrect * share_size * rivals)[None, :]
    total = tl.full([P_BLOCK], 0, tl.float32)
    for block in range(0, group, E_BLOCK):
        within = block + tl.arange(0, E_BLOCK)[:, None]
        inside = (within < group) & (p < points)
        at = (begin + within) * points + p
        own = tl.full([E_BLOCK, P_BLOCK], 0, tl.float32)
        for share in range(0, shares):
            place = (row * shares + share) * plane + at
            own += tl.load(wrong + place, mask=inside, other=0.0)
        slot = row * (plane * FILTERS) + (begin + within) * (FILTERS * points) + p
        chosen = tl.load(slots + slot, mask=inside, other=-1) >= 0
        label = tl.where(chosen, 1.0 - own * share_size, blame)
        score = tl.load(scores + row * plane + at, mask=inside, other=0.0).to(tl.float32)
        small = tl.exp(-tl.abs(score))  # without overflow
        sigmoid = tl.where(score < 0, small, 1.0) / (1.0 + small)
        tl.store(gradient + row * plane + at, (sigmoid - label) / numel, mask=inside)
        loss = tl.maximum(score, 0.0) - score * label + tl.log(1.0 + small)
        total += tl.sum(tl.where(inside, loss, 0.0), axis=0)
    p = tl.program_id(0) * P_BLOCK + tl.arange(0, P_BLOCK)
    at = (row * tl.num_programs(1) + tl.program_id(1)) * points + p
    tl.store(losses + at, total, mask=p < points)


@dataclass(frozen=True)
class Verdict:
    """What the gradient says about the outputs.

    Attributes
    ----------
    whole : Tensor
        The gradient of all experts' values, (B, E F, H, W), damped.
    wrong : Tensor
        How often each expert was incorrect, (1 or B, shares of the batch, E, H, W), to be added up.
    slots : Tensor
        From `find_slots`.
    finite : Tensor
        Whether all of the gradient is finite.
    """

    whole: Tensor
    wrong: Tensor
    slots: Tensor
    finite: Tensor


@on_its_device
def score_outputs(
    grad: Tensor,
    places: Tensor,
    shape: torch.Size,
    *,
    num_filters: int,
    quantile: float,
    damping: float,
    unit: Tensor | float,
) -> Verdict:
    """Spread the gradient of selected values, damped, and count incorrect outputs.

    Parameters
    ----------
    grad : Tensor
        (B, K F, H, W), of the main loss on the selected values.
    places : Tensor
        As `Route` has them.
    shape : torch.Size
        (B, E F, H, W).
    num_filters : int
        F.
    quantile, damping : float
        q and the factor of the gradient at incorrect outputs.
    unit : Tensor or float
        In which margins are counted.
    """
    grad, laid = lay_out(grad)
    margins = routing.LABEL_MARGIN, routing.DAMPING_MARGIN
    one = as_number(unit, grad)
    found = find_limits(grad, laid, num_filters, quantile, one, margins)
    samples, experts, points = len(grad), shape[1] // num_filters, shape[2] * shape[3]
    slots = find_slots(places, shape[1], points)
    whole, into = new_like(grad, laid, shape[1])
    block = cut_plane(experts, points, into)
    plane = (count_blocks(experts, block[0]), count_blocks(points, block[1]))
    shared = places.dim() == 1
    share = share_batch(samples, plane[0] * plane[1]) if shared else 1
    shares = count_blocks(samples, share)
    wrong = grad.new_empty((shares, experts, *shape[2:]), dtype=torch.float32)
    # as plain PyTorch rounds it
    factor = float((1.0 + torch.tensor(damping - 1.0)).to(grad.dtype))
    _score[(*plane, shares)](
        grad, slots, found.limits, whole, wrong,
        experts, points, samples, factor,
        laid.sample, laid.channel, laid.point, into.sample, into.channel, into.point,
        SHARED=shared, SHARE=share, FILTERS=num_filters, E_BLOCK=block[0], P_BLOCK=block[1],
    )  # fmt: skip
    return Verdict(whole, wrong[None] if shared else wrong[:, None], slots, found.finite)


@on_its_device
def routing_loss(
    scores: Tensor, verdict: Verdict, samples: int, how: routing.Selection
) -> tuple[Tensor, Tensor]:
    """Return the routing classification loss and its gradient on the scores.

    Parameters
    ----------
    scores : Tensor
        (E, H, W) or (B, E, H, W).
    verdict : Verdict
        From `score_outputs`.
    samples : int
        Over which counts of incorrect outputs are a mean; 1 where each sample has its own scores.
    how : Selection
        Says who shares the blame.

    Returns
    -------
    Tensor, Tensor
        A number, and (E, H, W) or (B, E, H, W) in float32.
    """
    points, experts = scores.shape[-2] * scores.shape[-1], how.num_experts
    groups, rows = experts // how.group_size, len(verdict.wrong)
    e_block = min(power_above(how.group_size), BLOCK // 16)
    p_block = min(power_above(points), max(16, BLOCK // (4 * e_block)))
    gradient = torch.empty(scores.shape, dtype=torch.float32, device=scores.device)
    losses = gradient.new_empty(rows, groups, points)
    _blame[(count_blocks(points, p_block), groups, rows)](
        scores.contiguous(), verdict.wrong, verdict.slots, gradient, losses,
        experts, points, how.group_size, 1.0 / how.rivals if how.rivals else 0.0,
        verdict.wrong.shape[1], 1.0 / samples, float(scores.numel()),
        FILTERS=verdict.slots.shape[1] // experts, E_BLOCK=e_block, P_BLOCK=p_block,
    )  # fmt: skip
    return losses.sum() / scores.numel(), gradient
