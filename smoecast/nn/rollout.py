"""Longer forecasts from shorter ones: the output becomes the next input."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from smoecast.errors import ModelError
from smoecast.nn.smoe.model_layers import reuse_filters


def rollout(
    model: Callable[[Tensor], Tensor],
    history: Sequence[Tensor],
    extra: Callable[[int], Tensor],
    steps: int,
) -> Iterator[Tensor]:
    """Forecast step by step, each time from the states that are then the newest.

    The model sees the states, newest first, then the fields that come from elsewhere: forcings,
    constants, the clock. Each output is one step of the history ahead of the newest state. The
    caller decides on gradients and on evaluation mode.

    Parameters
    ----------
    model : callable
        (B, C, H, W) -> (B, D, H, W), physical units, with C = len(history) x S + F; the first S
        of its D outputs are the next state.
    history : sequence of Tensor
        States (B, S, H, W), newest first, one model step apart.
    extra : callable
        Step 0, 1, ... -> (B, F, H, W), the other inputs valid for that step's start.
    steps : int
        How many states to forecast.

    Yields
    ------
    Tensor
        (B, S, H, W): the state after 1, 2, ... steps.

    Raises
    ------
    ModelError
        The model's output is no full state, so that no next step can start from it.
    """
    states = list(history)
    for step in range(steps):
        more = extra(step)  # nosec B610
        output = model(torch.cat([*states, more], dim=1))[:, : states[0].shape[1]]
        if output.shape != states[0].shape:
            raise ModelError(
                f"a forecast cannot go on from its own output: the model gives {output.shape[1]} "
                f"fields of the {states[0].shape[1]} that it starts from; train one that predicts "
                "them all"
            )
        yield output
        states = [output, *states[:-1]]


class Unrolled(nn.Module):
    """A network that is trained on several of its own steps at once.

    Gradients go back through all steps.

    Parameters
    ----------
    network : nn.Module
        One step, as `rollout` wants it.
    states, fields, extra : int
        States of its history, fields of a state (S), and its other inputs (F).
    steps : int
        N.
    """

    def __init__(
        self, network: nn.Module, *, states: int, fields: int, extra: int, steps: int
    ) -> None:
        super().__init__()
        self.network = network
        self.states, self.fields, self.extra, self.steps = states, fields, extra, steps

    def forward(self, inputs: Tensor) -> Tensor:
        """Forecast all steps.

        Parameters
        ----------
        inputs : Tensor
            (B, states x S + N x F, H, W): the history, then the other inputs of every step.

        Returns
        -------
        Tensor
            (B, N x S, H, W), step by step.
        """
        count = self.states * self.fields
        history = torch.split(inputs[:, :count], self.fields, dim=1)
        extra = torch.split(inputs[:, count:], self.extra, dim=1)
        with reuse_filters(self.network):
            steps = list(rollout(self.network, history, extra.__getitem__, self.steps))
        return torch.cat(steps, dim=1)
