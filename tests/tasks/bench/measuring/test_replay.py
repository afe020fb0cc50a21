"""Passes of a network are noted and made again."""

from pathlib import Path

import torch

from smoecast.tasks.bench.measuring.replay import record_passes, replay


def test_whole_networks_are_noted_and_not_their_layers() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    calls = []
    network[1].register_forward_hook(lambda *_: calls.append(1))
    with record_passes() as seen:
        network(torch.zeros(1, 2))
        network(torch.ones(1, 2))
    network(torch.ones(1, 2))
    assert [module for module, _ in seen] == [network, network]
    assert len(calls) == 3
    replay(seen)(Path())
    assert len(calls) == 5
