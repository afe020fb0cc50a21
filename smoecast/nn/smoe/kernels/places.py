"""Triton: taking selected values out of all experts' values, and putting them back among zeros.

A program has a block of channels and points and goes through its share of the batch, so that places
that samples share are read once. Reads are scattered, writes never are.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoecast.nn.smoe.kernels.tiles import (
    count_blocks,
    cut_plane,
    lay_out,
    new_like,
    on_its_device,
    share_batch,
)


@triton.jit
def _take(
    values, places, out, channels, points, samples, v_b, v_c, v_p, o_b, o_c, o_p,
    SHARED: tl.constexpr, SHARE: tl.constexpr, C_BLOCK: tl.constexpr, P_BLOCK: tl.constexpr,
):  # fmt: skip
    c = tl.program_id(0) * C_BLOCK + tl.arange(0, C_BLOCK)[:, None]
    p = tl.program_id(1) * P_BLOCK + tl.arange(0, P_BLOCK)[None, :]
    inside = (c < channels) & (p < points)
    first = tl.program_id(2) * SHARE
    last = tl.minimum(first + SHARE, samples)
    place = tl.load(places + c * points + p, mask=inside, other=0).to(tl.int32)
    for b in range(first, last):
        row = tl.cast(b, tl.int64)
        if not SHARED:
            own = places + row * (channels * points)
            place = tl.load(own + c * points + p, mask=inside, other=0).to(tl.int32)
        at = (place // points) * v_c + p * v_p
        taken = tl.load(values + row * v_b + at, mask=inside)
        tl.store(out + row * o_b + c * o_c + p * o_p, taken, mask=inside)


@triton.jit
def _spread(
    picked, slots, whole, channels, points, samples, g_b, g_c, g_p, w_b, w_c, w_p,
    SHARED: tl.constexpr, SHARE: tl.constexpr, C_BLOCK: tl.constexpr, P_BLOCK: tl.constexpr,
):  # fmt: skip
    c = tl.program_id(0) * C_BLOCK + tl.arange(0, C_BLOCK)[:, None]
    p = tl.program_id(1) * P_BLOCK + tl.arange(0, P_BLOCK)[None, :]
    inside = (c < channels) & (p < points)
    first = tl.program_id(2) * SHARE
    last = tl.minimum(first + SHARE, samples)
    slot = tl.load(slots + c * points + p, mask=inside, other=-1).to(tl.int32)
    for b in range(first, last):
        row = tl.cast(b, tl.int64)
        if not SHARED:
            own = slots + row * (channels * points)
            slot = tl.load(own + c * points + p, mask=inside, other=-1).to(tl.int32)
        given = tl.load(picked + row * g_b + slot * g_c + p * g_p, mask=slot >= 0, other=0.0)
        tl.store(whole + row * w_b + c * w_c + p * w_p, given, mask=inside)


@on_its_device
def take(values: Tensor, places: Tensor) -> Tensor:
    """Take values (B, K F, H, W) from their places, as `Route` has them, in (B, E F, H, W)."""
    values, laid = lay_out(values)
    points = values.shape[2] * values.shape[3]
    channels = places.shape[-1] // points
    out, into = new_like(values, laid, channels)
    block = cut_plane(channels, points, into)
    plane = (count_blocks(channels, block[0]), count_blocks(points, block[1]))
    share = share_batch(len(values), plane[0] * plane[1])
    _take[(*plane, count_blocks(len(values), share))](
        values, places, out, channels, points, len(values),
        laid.sample, laid.channel, laid.point, into.sample, into.channel, into.point,
        SHARED=places.dim() == 1, SHARE=share, C_BLOCK=block[0], P_BLOCK=block[1],
    )  # fmt: skip
    return out


@on_its_device
def spread(picked: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """Put values (B, K F, H, W) at their places among zeros, in the shape (B, E F, H, W)."""
    picked, laid = lay_out(picked)
    channels, points = shape[1], shape[2] * shape[3]
    whole, into = new_like(picked, laid, channels)
    block = cut_plane(channels, points, into)
    plane = (count_blocks(channels, block[0]), count_blocks(points, block[1]))
    share = share_batch(len(picked), plane[0] * plane[1])
    _spread[(*plane, count_blocks(len(picked), share))](
        picked, find_slots(places, channels, points), whole, channels, points, len(picked),
        laid.sample, laid.channel, laid.point, into.sample, into.channel, into.point,
        SHARED=places.dim() == 1, SHARE=share, C_BLOCK=block[0], P_BLOCK=block[1],
    )  # fmt: skip
    return whole


def find_slots(places: Tensor, channels: int, points: int) -> Tensor:
    """Return which selected channel each channel is at each point, -1 for none.

    Parameters
    ----------
    places : Tensor
        As `Route` has them, (K F P) or (B, K F P).
    channels, points : int
        E F and P.

    Returns
    -------
    Tensor
        (1 or B, E F, P), integers.
    """
    rows = places.view(-1, places.shape[-1])
    count = rows.shape[1] // points
    kind = torch.int16 if count < 2**15 else torch.int32
    slots = torch.full((len(rows), channels * points), -1, dtype=kind, device=places.device)
    own = torch.arange(count, dtype=kind, device=places.device).repeat_interleave(points)
    return slots.scatter_(1, rows, own.expand(len(rows), -1)).view(len(rows), channels, points)
