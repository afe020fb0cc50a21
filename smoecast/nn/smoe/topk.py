"""Order statistics without a full sort, exact.

NumPy sorts many short rows of integers with the processor's vector instructions, and counting by
leading bits needs one pass: both several times faster than `torch.topk` and `torch.kthvalue` on one
CPU thread. Other devices use our kernels (`kernels.choice`), or PyTorch.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.library import custom_op

from smoecast.nn.smoe.kernels.choice import find_kernels

BINS = 2**16
"""So many bins, shared by all rows, count the values on the way to a quantile."""

MOST_RANKED = 1024
"""Our kernel compares each expert with each: from here on a sort is faster."""


def best_experts(scores: Tensor, num_selected: int, *, by_score: bool = True) -> Tensor:
    """Return the experts with the highest scores.

    Parameters
    ----------
    scores : Tensor
        (E, H, W) or (B, E, H, W).
    num_selected : int
        K.
    by_score : bool
        Highest score first (between equals the lower index first), else by rising index.

    Returns
    -------
    Tensor
        int64, (K, H, W) or (B, K, H, W).
    """
    if num_selected == 1:
        return scores.max(dim=-3, keepdim=True).indices
    kernels = find_kernels(scores) if scores.shape[-3] <= MOST_RANKED else None
    packable = scores.dtype in (torch.float32, torch.bfloat16, torch.float16)
    if kernels is not None:
        best = kernels.best_experts(scores, num_selected)
    elif scores.device.type == "cpu" and packable:
        best_here = _best_compiled if torch.compiler.is_compiling() else _best_on_cpu
        found: Tensor = best_here(scores, num_selected, by_score)
        return found
    else:
        best = scores.topk(num_selected, dim=-3).indices
    return best if by_score else best.sort(dim=-3).values


def _best_on_cpu(scores: Tensor, num_selected: int, by_score: bool) -> Tensor:
    if scores.dim() == 3:
        return _best_by_keys(scores, num_selected, by_score)
    # One sample at a time stays in the processor's cache.
    return torch.stack([_best_by_keys(s, num_selected, by_score) for s in scores])


_best_compiled = custom_op("smoecast::best_experts", _best_on_cpu, mutates_args=())
"""The same for torch.compile, which cannot look into NumPy."""


@_best_compiled.register_fake
def _fake_best(scores: Tensor, num_selected: int, by_score: bool) -> Tensor:
    shape = (*scores.shape[:-3], num_selected, *scores.shape[-2:])
    return scores.new_empty(shape, dtype=torch.int64)


def _best_by_keys(scores: Tensor, num_selected: int, by_score: bool) -> Tensor:
    """Sort 64-bit keys, the score above and the expert below: the order carries the expert."""
    rows = scores.float().movedim(0, 2).contiguous()  # (E, H, W) -> (H, W, E)
    bits = rows.view(torch.int32)
    falling = ~(bits ^ ((bits >> 31) & 0x7FFFFFFF))  # Falling scores are rising integers.
    keys = (falling.long() << 32) | torch.arange(rows.shape[-1])
    keys.numpy().sort(axis=-1)
    best = keys[..., :num_selected] & 0xFFFFFFFF  # (H, W, K)
    if not by_score:
        best.numpy().sort(axis=-1)
    return best.movedim(2, 0).contiguous()


def neighbours_in_order(values: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the values of rank `rank` and `rank` + 1 (from 0, rising) of each row.

    Parameters
    ----------
    values : Tensor
        (B, N), not negative, N at least `rank` + 2.
    rank : int
        From 0.

    Returns
    -------
    Tensor, Tensor
        (B,) and (B,).
    """
    if values.device.type != "cpu":
        ordered = values.sort(dim=1).values  # kthvalue is not deterministic there.
        return ordered[:, rank], ordered[:, rank + 1]
    if values.dtype == torch.float32 and len(values) <= BINS // 512:
        return _by_histogram(values.contiguous(), rank)
    rows = values.numpy().copy()
    rows.partition(rank, axis=1)
    return torch.from_numpy(rows[:, rank]), torch.from_numpy(rows[:, rank + 1 :].min(axis=1))


def _by_histogram(values: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Count values by their leading bits; sort those alone that share the wanted rank's bin.

    The bits of floats that are not negative rise with their value. All rows are done at once: a row
    number stands above the bits.
    """
    rows, length = values.shape
    bits = values.view(torch.int32)
    per_row = BINS >> (rows - 1).bit_length()
    number = torch.arange(0, rows * per_row, per_row, dtype=torch.int32)
    bins = (bits >> (32 - per_row.bit_length())).add_(number[:, None])  # 31 bits beside the sign.
    upto = torch.bincount(bins.flatten(), minlength=rows * per_row).cumsum(0).numpy()
    wanted = np.arange(rows) * length + rank
    first, last = np.searchsorted(upto, wanted + 1), np.searchsorted(upto, wanted + 2)
    inside = _between(bins.numpy(), first, last)
    keys = ((inside // length) << 32) | bits.numpy().ravel()[inside]
    keys.sort()
    before = np.where(first > 0, upto[first - 1], 0)
    count = upto[last] - before
    place = np.cumsum(count) - count + wanted - before
    both = keys[np.stack((place, place + 1))].astype(np.int32).view(np.float32)  # (2, B)
    low, high = torch.from_numpy(both)
    return low, high


def _between(
    bins: NDArray[np.int32], first: NDArray[np.integer], last: NDArray[np.integer]
) -> NDArray[np.integer]:
    """Return where, counted flat, a row's values lie in its bins `first` to `last`."""
    low, high = (edge.astype(np.int32)[:, None] for edge in (first, last))  # (B, 1)
    same = np.array_equal(first, last)
    return np.flatnonzero(bins == low if same else (bins >= low) & (bins <= high))
