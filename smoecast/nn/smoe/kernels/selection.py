"""Triton: the experts with the highest scores, by counting how many are ahead of each.

Bits of scores are compared as whole numbers, so every expert has a rank of its own, whatever the
scores are: equal ones go to the lower index, as on the CPU.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoecast.nn.smoe.kernels.tiles import count_blocks, on_its_device, power_above


@triton.jit
def _rank(
    scores, index, experts, selected, points, E_BLOCK: tl.constexpr, P_BLOCK: tl.constexpr
):  # fmt: skip
    e = tl.program_id(0) * E_BLOCK + tl.arange(0, E_BLOCK)[:, None]
    p = tl.program_id(1) * P_BLOCK + tl.arange(0, P_BLOCK)[None, :]
    inside = (e < experts) & (p < points)
    row = tl.cast(tl.program_id(2), tl.int64)
    own = scores + row * (experts * points)
    bits = tl.load(own + e * points + p, mask=inside, other=0.0).to(tl.float32)
    bits = bits.to(tl.int32, bitcast=True)
    key = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # rises with the score
    ahead = tl.full([E_BLOCK, P_BLOCK], 0, tl.int32)
    for other in range(0, experts):
        theirs = tl.load(own + other * points + p, mask=p < points, other=0.0).to(tl.float32)
        theirs = theirs.to(tl.int32, bitcast=True)
        theirs = theirs ^ ((theirs >> 31) & 0x7FFFFFFF)
        ahead += ((theirs > key) | ((theirs == key) & (other < e))).to(tl.int32)
    into = index + row * (selected * points)
    tl.store(into + ahead * points + p, tl.cast(e, tl.int64), mask=inside & (ahead < selected))


@on_its_device
def best_experts(scores: Tensor, num_selected: int) -> Tensor:
    """Return the experts with the highest scores, highest first.

    Parameters
    ----------
    scores : Tensor
        (E, H, W) or (B, E, H, W).
    num_selected : int
        K.

    Returns
    -------
    Tensor
        int64, (K, H, W) or (B, K, H, W).
    """
    experts, points = scores.shape[-3], scores.shape[-2] * scores.shape[-1]
    rows = scores.shape[:-3]
    e_block, p_block = min(power_above(experts), 32), min(power_above(points), 64)
    shape = (*rows, num_selected, *scores.shape[-2:])
    index = torch.empty(shape, dtype=torch.int64, device=scores.device)
    _rank[(count_blocks(experts, e_block), count_blocks(points, p_block), rows.numel())](
        scores.contiguous(), index, experts, num_selected, points, E_BLOCK=e_block, P_BLOCK=p_block
    )
    return index
