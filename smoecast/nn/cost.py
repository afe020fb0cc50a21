"""What a network costs: its parameters, the multiply-adds of one forecast, the memory of a step.

Counted are the products of weights and values in convolutions, linear maps and the layers of this
package. Not counted: offsets, activations, normalisation, the sorting of scores.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoecast.nn.convolutions import (
    CondConv2d,
    LocallyConnected2d,
    LowRankLocal2d,
    PointConv2d,
    SameConv2d,
)
from smoecast.nn.smoe.gates import ConvGate
from smoecast.nn.smoe.layer import SpatialMoE2d

Experts = Literal["all", "selected"]


def count_parameters(network: nn.Module) -> int:
    """Return the number of learned values; a gate that several layers share counts once."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(
    network: nn.Module, input_shape: tuple[int, int, int], *, experts: Experts = "all"
) -> int:
    """Return the multiply-adds of one sample's way through a network.

    Parameters
    ----------
    network : nn.Module
        (B, C, H, W) -> (B, D, H, W); it is run once, on one sample of zeros, and left as it was.
    input_shape : tuple of int
        (C, H, W).
    experts : {"all", "selected"}
        ``all``: every expert at every point, as where all are compared, on a GPU, and where experts
        are few. ``selected``: only those that serve a point, as the paper counts: the same as a
        plain convolution with as many channels. A layer that adds them up to one filter a point
        computes even less, as many as a plain convolution to its output channels.

    Raises
    ------
    ValueError
        If `experts` is another word.
    """
    if experts not in ("all", "selected"):
        raise ValueError(f"experts must be all or selected, not '{experts}'")
    rules: Mapping[type[nn.Module], _Rule] = {
        **_RULES,
        SpatialMoE2d: partial(_experts, of=experts),
    }
    counts: list[int] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        rule = next(rule for kind, rule in rules.items() if isinstance(module, kind))
        counts.append(rule(module, inputs[0], output))

    modules = [module for module in network.modules() if isinstance(module, tuple(rules))]
    hooks = [module.register_forward_hook(note) for module in modules]
    modes = {module: module.training for module in network.modules()}
    try:
        with torch.no_grad():
            network.eval()(_zeros_for(network, input_shape))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    return sum(counts)


def peak_of_tensors(call: Callable[[], object], device: str) -> int:
    """Return the most bytes that tensors held at once beyond what they held before a call."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - held
    with _without_stderr(), torch.profiler.profile(profile_memory=True) as profile:
        call()
    recorded: Any = profile.profiler
    events = [event for event in recorded.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep from the terminal what the profiler's C++ says there of itself."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed: nobody hears
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


_Rule = Callable[[Any, Tensor, Tensor], int]
"""(module, one sample's input, its output) -> multiply-adds, without those of inner modules."""


def _zeros_for(network: nn.Module, input_shape: tuple[int, int, int]) -> Tensor:
    like = next(network.parameters(), torch.empty(0))
    return like.new_zeros(1, *input_shape)


def _points(fields: Tensor) -> int:
    """Grid points of (1, C, H, W), or of the (M, C, H, W) that one sample's members make."""
    return fields.shape[0] * fields.shape[-2] * fields.shape[-1]


def _cost_of_sliding(module: SameConv2d | ConvGate | nn.Conv2d, _: Tensor, output: Tensor) -> int:
    return module.weight.numel() * _points(output)


def _linear(module: nn.Linear, _: Tensor, output: Tensor) -> int:
    return module.weight.numel() * (output.numel() // module.out_features)


def _local(module: LocallyConnected2d, _: Tensor, __: Tensor) -> int:
    return module.filters.numel()  # each weight serves one point


def _low_rank(module: LowRankLocal2d, _: Tensor, output: Tensor) -> int:
    return module.rank * output.numel()  # the basis counts itself


def _cost_of_mixing(module: CondConv2d, _: Tensor, output: Tensor) -> int:
    return module.weight.numel() + module.weight[0].numel() * _points(output)


def _experts(module: SpatialMoE2d, _: Tensor, output: Tensor, of: Experts) -> int:
    how = module.objective.how
    filters = module.weight.numel()
    if of == "selected":
        filters = filters // how.num_experts * how.num_selected
    return filters * _points(output) + (output.numel() if module.weighted else 0)


_RULES: dict[type[nn.Module], _Rule] = {
    SameConv2d: _cost_of_sliding,
    ConvGate: _cost_of_sliding,
    nn.Conv2d: _cost_of_sliding,
    nn.Linear: _linear,
    LocallyConnected2d: _local,
    PointConv2d: _local,
    LowRankLocal2d: _low_rank,
    CondConv2d: _cost_of_mixing,
}
"""Gates of other kinds are made of these."""
