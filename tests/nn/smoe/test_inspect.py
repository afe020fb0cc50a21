"""Inspection of routing maps."""

import pytest
import torch

from smoecast.nn.smoe.gates import FixedGate
from smoecast.nn.smoe.inspect import (
    agreement,
    expert_presence,
    expert_share,
    routing_map,
)
from smoecast.nn.smoe.layer import SpatialMoE2d

REGIONS = torch.tensor([[0, 0, 1, 1], [0, 2, 2, 1], [2, 2, 2, 2]])


def test_a_fixed_map_is_its_own_routing_map():
    layer = SpatialMoE2d(2, 1, 3, grid=(3, 4), gate=FixedGate(REGIONS))
    assert torch.equal(routing_map(layer), REGIONS[None])


def test_a_gate_that_looks_at_the_input_needs_one():
    layer = SpatialMoE2d(2, 2, 5, grid=(3, 4), gate="conv")
    assert routing_map(layer, torch.randn(6, 2, 3, 4)).shape == (6, 2, 3, 4)
    with pytest.raises(ValueError, match="give routing_map an input"):
        routing_map(layer)


def test_share_of_points():
    torch.testing.assert_close(
        expert_share(REGIONS[None], 4), torch.tensor([3.0, 3.0, 6.0, 0.0]) / 12
    )


def test_presence_averages_over_samples():
    index = torch.stack((REGIONS, torch.zeros_like(REGIONS)))[:, None]  # (2, 1, 3, 4)
    presence = expert_presence(index, 3)
    assert presence[0, 0, 0] == 1.0
    assert presence[0, 2, 3] == 0.5
    assert presence[2, 2, 3] == 0.5
    torch.testing.assert_close(presence.sum(dim=0), torch.ones(3, 4))


def test_shares_add_up_to_the_number_selected():
    layer = SpatialMoE2d(2, 3, 7, grid=(6, 5))
    assert expert_share(routing_map(layer), 7).sum().item() == pytest.approx(3.0)


def test_agreement_finds_the_permutation():
    shuffled = torch.tensor([2, 0, 1])[REGIONS]
    found = agreement(shuffled[None], REGIONS, 3)
    assert found.share == 1.0
    assert found.region_of_expert == (1, 2, 0)


def test_agreement_with_wrong_points_and_an_idle_expert():
    routed = torch.tensor([3, 1, 0])[REGIONS]
    routed[0, 0] = 0
    found = agreement(routed[None], REGIONS, 4)
    assert found.share == pytest.approx(11 / 12)
    assert found.region_of_expert == (2, 1, -1, 0)


def test_agreement_of_a_batch():
    both = torch.stack((REGIONS, torch.zeros_like(REGIONS)))[:, None]
    assert agreement(both, REGIONS, 3).share == pytest.approx((12 + 3) / 24)


def test_agreement_refuses_several_experts_or_another_grid():
    with pytest.raises(ValueError, match="one selected expert"):
        agreement(torch.zeros(2, 3, 4, dtype=torch.long), REGIONS, 3)
    with pytest.raises(ValueError, match="on the grid of the regions"):
        agreement(torch.zeros(1, 3, 5, dtype=torch.long), REGIONS, 3)
