"""Optimizers that do not load the compiler step as those of PyTorch do.

That nothing of the compiler is loaded is held by tests/nn/smoe/gate_training/test_operators.py.
"""

import pytest
import torch
from torch import nn

from smoecast.training.optimizers import OPTIMIZERS

PEERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def learned(kind: type[torch.optim.Adam]) -> list[torch.Tensor]:
    """Return weights and moments after some steps with a restart between them."""
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(5, 3)) for _ in range(3)]

    def start() -> torch.optim.Adam:
        decayed, others = {"params": weights[:2]}, {"params": weights[2:], "weight_decay": 0.0}
        return kind([decayed, others], lr=0.1, weight_decay=0.1)

    optimizer = start()
    for step in range(6):
        if step == 3:
            saved, optimizer = optimizer.state_dict(), start()
            optimizer.load_state_dict(saved)
        optimizer.zero_grad()
        torch.stack([(weight**3).sum() for weight in weights]).sum().backward()
        optimizer.step()
    moments = [value for state in optimizer.state.values() for value in state.values()]
    assert len(moments) == 9
    return [*(weight.detach() for weight in weights), *moments]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_steps_as_that_of_pytorch(name: str) -> None:
    torch.testing.assert_close(learned(OPTIMIZERS[name]), learned(PEERS[name]), rtol=0, atol=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hooks_of_pytorch_are_called(name: str) -> None:
    """By one the gates' gradient is guarded."""
    weight, called = nn.Parameter(torch.ones(2)), []
    optimizer = OPTIMIZERS[name]([weight])
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    optimizer.step()
    assert called == ["before", "after"]
