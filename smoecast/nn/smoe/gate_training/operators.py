"""The training signal as operators of PyTorch, for networks that `torch.compile` traces.

The compiler cannot look into a backward that reads gradients by value, keeps errors from step to
step and registers hooks; it would break the network in two at every layer. An operator is a closed
box to it: it is told shapes, and what is inside runs with each step as it does without compiler, by
the same functions. Operators take tensors and numbers, so a layer goes in by its number, and what
its backward needs is looked up when it runs: nothing of it is kept in compiled code
(docs/decisions/0057-torch-compile.md).
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.library import custom_op

from smoecast.nn.smoe.gate_training.attached_loss import teach_attached
from smoecast.nn.smoe.gate_training.comparative_loss import teach_comparison
from smoecast.nn.smoe.gate_training.layer_numbers import (
    begin_pass,
    find_layer,
    link_gate,
    link_of,
)
from smoecast.nn.smoe.gate_training.picked_values import teach_picked
from smoecast.nn.smoe.gate_training.sampled_comparison import teach_sampled
from smoecast.nn.smoe.gather import Route, take

if TYPE_CHECKING:
    from torch._library.custom_ops import CustomOpDef

# what is in them reads settings and gradients anew each time: a recorded CUDA graph must not
_TAGS = {"tags": (torch.Tag.cudagraph_unsafe,)} if hasattr(torch.Tag, "cudagraph_unsafe") else {}
_operator: Callable[[str], Callable[[Callable[..., object]], "CustomOpDef"]] = partial(
    custom_op, mutates_args=(), **_TAGS
)


def _empty(like: Tensor) -> Tensor:
    """Return what stands for a gradient that nobody wants: operators give tensors alone."""
    return like.new_empty(0)


@_operator("smoecast::train_routing")
def train_routing(
    values: Tensor, scores: Tensor, index: Tensor, places: Tensor, layer: int
) -> Tensor:
    """Take the selected of all experts' values, with the paper's training signal behind.

    Parameters
    ----------
    values : Tensor
        (B, E F, H, W).
    scores : Tensor
        (E, H, W) or (B, E, H, W).
    index, places : Tensor
        Of the route.
    layer : int
        `number_layer`.

    Returns
    -------
    Tensor
        (B, K F, H, W).
    """
    begin_pass(layer)
    return take(values, places).contiguous()  # as the compiler is told, kernels keep strides


@_operator("smoecast::teach_routing")
def _teach_routing(
    grad: Tensor, scores: Tensor, index: Tensor, places: Tensor, channels: int, layer: int,
    learns: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    found, route = find_layer(layer), Route(index, index, places)
    shape = torch.Size((len(grad), channels, *grad.shape[2:]))
    whole, told = teach_picked(grad, scores, route, found.objective, link_of(found), learns, shape)
    return whole.contiguous(), _empty(scores) if told is None else told.contiguous()


@_operator("smoecast::compare_experts")
def compare_experts(
    values: Tensor, scores: Tensor, index: Tensor, places: Tensor, layer: int
) -> Tensor:
    """Take the selected of all experts' values, with comparative routing behind.

    Arguments and result are those of `train_routing`.
    """
    begin_pass(layer)
    return take(values, places).contiguous()


@_operator("smoecast::teach_comparison")
def _teach_comparison(
    grad: Tensor, values: Tensor, scores: Tensor, index: Tensor, places: Tensor, layer: int,
    learns: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    found, route = find_layer(layer), Route(index, index, places)
    gradient, told = teach_comparison(
        grad, values, scores, route, found.objective, link_of(found), learns
    )
    return gradient.contiguous(), _empty(scores) if told is None else told.contiguous()


@_operator("smoecast::compare_later")
def compare_later(
    out: Tensor, scores: Tensor, some: Tensor, index: Tensor, places: Tensor, layer: int
) -> Tensor:
    """Copy a layer's output, with comparative routing on some samples behind.

    Parameters
    ----------
    out : Tensor
        (B, D, H, W), what the selected experts add up to.
    scores : Tensor
        (E, H, W).
    some : Tensor
        The inputs of those samples, (b, C, H, W), without gradient.
    index, places, layer
        As for `train_routing`.

    Returns
    -------
    Tensor
        (B, D, H, W).
    """
    begin_pass(layer)
    return out.clone(memory_format=torch.contiguous_format)


@_operator("smoecast::teach_sampled")
def _teach_sampled(
    grad: Tensor, scores: Tensor, some: Tensor, index: Tensor, places: Tensor, layer: int
) -> Tensor:
    found, route = find_layer(layer), Route(index, index, places)
    told = teach_sampled(
        grad, lambda: found.all_values(some), scores, route, found.objective, link_of(found)
    )
    return told.contiguous()


@_operator("smoecast::attach_loss")
def attach_loss(field: Tensor, loss: Tensor, layer: int) -> Tensor:
    """Copy a field; whatever loss is later derived from it is joined by `loss`."""
    link_gate(find_layer(layer))
    return field.clone(memory_format=torch.contiguous_format)


@_operator("smoecast::teach_attached")
def _teach_attached(grad: Tensor, loss: Tensor, layer: int) -> Tensor:
    found = find_layer(layer)
    return teach_attached(grad, loss, found.objective.scale, found.gate.learnable)


@train_routing.register_fake
@compare_experts.register_fake
def _fake_taken(
    values: Tensor, scores: Tensor, index: Tensor, places: Tensor, layer: int
) -> Tensor:
    points = values.shape[-2] * values.shape[-1]
    return values.new_empty(len(values), places.shape[-1] // points, *values.shape[2:])


@_teach_routing.register_fake
def _fake_teach_routing(
    grad: Tensor, scores: Tensor, index: Tensor, places: Tensor, channels: int, layer: int,
    learns: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    whole = grad.new_empty(len(grad), channels, *grad.shape[2:])
    return whole, _fake_scores(scores, learns)


@_teach_comparison.register_fake
def _fake_teach_comparison(
    grad: Tensor, values: Tensor, scores: Tensor, index: Tensor, places: Tensor, layer: int,
    learns: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return grad.new_empty(values.shape), _fake_scores(scores, learns)


@compare_later.register_fake
def _fake_compare_later(
    out: Tensor, scores: Tensor, some: Tensor, index: Tensor, places: Tensor, layer: int
) -> Tensor:
    return out.new_empty(out.shape)


@_teach_sampled.register_fake
def _fake_teach_sampled(
    grad: Tensor, scores: Tensor, some: Tensor, index: Tensor, places: Tensor, layer: int
) -> Tensor:
    return scores.new_empty(scores.shape)


@attach_loss.register_fake
def _fake_attach_loss(field: Tensor, loss: Tensor, layer: int) -> Tensor:
    return field.new_empty(field.shape)


@_teach_attached.register_fake
def _fake_teach_attached(grad: Tensor, loss: Tensor, layer: int) -> Tensor:
    return torch.empty_like(loss)


def _fake_scores(scores: Tensor, learns: bool) -> Tensor:
    return scores.new_empty(scores.shape) if learns else _empty(scores)


def _keep_routing(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, scores, index, places, ctx.layer = inputs
    ctx.channels = values.shape[1]
    ctx.save_for_backward(scores, index, places)


def _route_back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    learns = ctx.needs_input_grad[1]
    gradient, told = _teach_routing(grad, *ctx.saved_tensors, ctx.channels, ctx.layer, learns)
    return gradient, told if learns else None, None, None, None


def _keep_comparison(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.layer = inputs
    ctx.save_for_backward(*tensors)


def _compare_back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    learns = ctx.needs_input_grad[1]
    gradient, told = _teach_comparison(grad, *ctx.saved_tensors, ctx.layer, learns)
    return gradient, told if learns else None, None, None, None


def _keep_sampled(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *tensors, ctx.layer = inputs
    ctx.save_for_backward(*tensors)


def _sample_back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return grad, _teach_sampled(grad, *ctx.saved_tensors, ctx.layer), None, None, None, None


def _keep_attached(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, loss, ctx.layer = inputs
    ctx.save_for_backward(loss)


def _attach_back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return grad, _teach_attached(grad, *ctx.saved_tensors, ctx.layer), None


train_routing.register_autograd(_route_back, setup_context=_keep_routing)
compare_experts.register_autograd(_compare_back, setup_context=_keep_comparison)
compare_later.register_autograd(_sample_back, setup_context=_keep_sampled)
attach_loss.register_autograd(_attach_back, setup_context=_keep_attached)
