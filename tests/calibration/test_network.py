"""The head of every calibration network, and members with gaps."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from smoecast.calibration.network import (
    FLOOR,
    LeadStatistics,
    MemberCorrection,
    SpreadCorrection,
    correct_moments,
    crps_loss,
    member_moments,
)
from smoecast.data.members import moments
from smoecast.nn.backbones.ens10 import EnsembleTransformer
from smoecast.nn.normalize import Statistics


def statistics(channels: int, base: list[int]) -> Statistics:
    return Statistics(
        input_mean=torch.full((channels,), 280.0),
        input_std=torch.full((channels,), 10.0),
        target_scale=torch.full((len(base),), 2.0),
        base=torch.tensor(base),
        target_mean=torch.zeros(len(base)),
    )


def test_the_published_head() -> None:
    output = torch.tensor([0.5, np.log(2.0)]).view(1, 2, 1, 1).float()
    mean, spread = torch.full((1, 1, 1, 1), 280.0), torch.full((1, 1, 1, 1), 3.0)
    made = correct_moments(output, mean, spread, torch.ones(1)).flatten()
    torch.testing.assert_close(made, torch.tensor([281.5, 6.0]))


def test_a_steady_head_moves_by_the_usual_error_whatever_the_spread_of_today() -> None:
    output = torch.tensor([0.5, np.log(2.0)]).view(1, 2, 1, 1).float()
    mean, scale = torch.full((1, 1, 1, 1), 280.0), torch.full((1,), 4.0)
    for spread in (3.0, 5.0):
        today = torch.full((1, 1, 1, 1), spread)
        made = correct_moments(output, mean, today, scale, steady=True).flatten()
        torch.testing.assert_close(made, torch.tensor([282.0, 2 * spread]))


def test_the_spread_shrinks_freely_but_not_below_the_floor() -> None:
    one = torch.ones(1, 1, 1, 1)
    small = correct_moments(torch.tensor([0.0, -5.0]).view(1, 2, 1, 1), one, one, torch.ones(1))
    torch.testing.assert_close(small[0, 1], torch.exp(-5.0 * one[0, 0]))
    least = correct_moments(
        torch.tensor([0.0, -50.0]).view(1, 2, 1, 1), one, one, 4 * torch.ones(1)
    )
    assert float(least[0, 1]) == np.float32(4 * FLOOR)
    flat = correct_moments(torch.zeros(1, 2, 1, 1), one, 0 * one, torch.ones(1))
    assert float(flat[0, 1]) == np.float32(FLOOR)


def test_several_targets_take_their_own_moments() -> None:
    """Of three channels the third and the first are corrected: a mean and a spread for each."""
    network = SpreadCorrection(nn.Conv2d(6, 4, 1), statistics(6, [2, 0]), torch.tensor([5, 3]))
    with torch.no_grad():
        for parameter in network.backbone.parameters():
            parameter.zero_()
    fields = torch.arange(6.0).view(1, 6, 1, 1).expand(1, 6, 2, 3)
    assert network(fields)[0, :, 0, 0].tolist() == [2.0, 0.0, 5.0, 3.0]


def test_each_lead_time_by_its_own_statistics() -> None:
    """A batch of both is what a network of each would say; a strange one counts as the nearest."""
    torch.manual_seed(0)
    early = replace(statistics(6, [2, 0]), input_mean=torch.arange(6.0))
    late = replace(statistics(6, [2, 0]), target_scale=torch.tensor([5.0, 7.0]))
    backbone, spread = nn.Conv2d(6, 4, 1), torch.tensor([5, 3])
    apart = LeadStatistics((early, late), 4, (0.24, 0.48))
    both = SpreadCorrection(backbone, statistics(6, [2, 0]), spread, True, apart)
    alone = [SpreadCorrection(backbone, one, spread, True) for one in (early, late)]
    fields = torch.randn(3, 6, 2, 3) + 280
    fields[:, 4] = torch.tensor([0.48, 0.24, 0.72])[:, None, None]
    made = both(fields)
    for index, one in ((0, 1), (1, 0), (2, 1)):
        torch.testing.assert_close(made[[index]], alone[one](fields[[index]]))
    kept = set(both.state_dict()) - set(alone[0].state_dict())
    assert {name.split(".")[0] for name in kept} == {"apart"}


def test_the_spread_follows_the_number_of_members_by_a_number_a_target() -> None:
    known, spread = replace(statistics(7, [2, 0]), input_std=torch.ones(7)), torch.tensor([5, 3])
    known.input_mean[6] = 0.1
    network = SpreadCorrection(nn.Conv2d(7, 4, 1), known, spread, counted=True)
    with torch.no_grad():
        for parameter in network.backbone.parameters():
            parameter.zero_()
        network.by_count.copy_(torch.tensor([2.0, -1.0]))
    fields = torch.arange(7.0).view(1, 7, 1, 1).repeat(2, 1, 2, 3)
    fields[:, 6] = torch.tensor([0.1, 0.3])[:, None, None]
    made = network(fields)[:, :, 1, 2]
    torch.testing.assert_close(made[0], torch.tensor([2.0, 0.0, 5.0, 3.0]))
    factors = torch.tensor([1.0, 1.0, np.exp(0.4), np.exp(-0.2)]).float()
    torch.testing.assert_close(made[1], made[0] * factors)


def test_the_loss_counts_each_target_in_its_units() -> None:
    torch.manual_seed(0)
    output, truth = torch.rand(2, 4, 3, 5) + 0.5, torch.randn(2, 2, 3, 5)
    weights, scale = torch.tensor([0.5, 1.0, 0.5]), torch.tensor([2.0, 3.0])
    units = scale[:, None, None].expand(truth.shape)
    same = crps_loss(weights)(output, torch.cat([truth, units], dim=1))
    torch.testing.assert_close(same, crps_loss(weights, scale)(output, truth))
    units = torch.stack([units[0], 10 * units[1]])
    other = crps_loss(weights)(output, torch.cat([truth, units], dim=1))
    each = [
        crps_loss(weights, s)(output[[i]], truth[[i]]) for i, s in ((0, scale), (1, 10 * scale))
    ]
    torch.testing.assert_close(other, sum(each) / 2)


def test_moments_of_members_are_those_of_numpy() -> None:
    members = torch.randn(2, 5, 3, 4, 4) + 280
    members[0, 1] = np.nan
    members[1, 3, 2] = np.nan
    wanted = moments(members[:, None].numpy())[:, 0]
    found = torch.cat(member_moments(members), dim=1)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)


def test_a_steady_shift_of_members_too() -> None:
    network = MemberCorrection(EnsembleTransformer(2 * 3 + 1, 2), statistics(4, [2]), 3, True)
    with torch.no_grad():
        network.backbone.last.weight.zero_()
        network.backbone.last.bias.fill_(1.5)
    members = torch.randn(1, 5, 3, 4, 6) + 280
    made = network(torch.cat([members.flatten(1, 2), torch.zeros(1, 1, 4, 6)], dim=1))
    torch.testing.assert_close(made[:, 0], members[:, :, 2].mean(dim=1) + 1.5 * 2.0)


def test_a_missing_member_is_as_if_it_never_was() -> None:
    torch.manual_seed(0)
    network = MemberCorrection(EnsembleTransformer(2 * 3 + 1, 4), statistics(4, [2, 0]), 3)
    members, beside = torch.randn(1, 5, 3, 4, 6) + 280, torch.randn(1, 1, 4, 6)
    members[0, 2, 1, 0, 0] = np.nan  # one value is enough
    gone = members[:, [0, 1, 3, 4]]

    def run(some: torch.Tensor) -> torch.Tensor:
        return network(torch.cat([some.flatten(1, 2), beside], dim=1))

    full = members.clone()
    full[0, 2] = np.nan
    torch.testing.assert_close(run(full), run(gone), rtol=1e-5, atol=1e-4)
    assert run(members).isfinite().all()
    run(full).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
