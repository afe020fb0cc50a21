"""The networks of the ENS-10 benchmark: published sizes, and what they see."""

import pytest
import torch
from torch.nn import functional

from smoecast.nn.backbones.ens10 import EnsembleTransformer, EnsembleUNet, LeNet, PointMLP, upsample
from smoecast.nn.cost import count_parameters

GRID = (12, 16)


@pytest.mark.parametrize(("variables", "count"), [(7, 2562), (11, 3586)])
def test_published_count_of_the_mlp(variables: int, count: int) -> None:
    assert count_parameters(PointMLP(2 * variables + 3, 2)) == count


@pytest.mark.parametrize(("variables", "count"), [(7, 31_574), (11, 36_182)])
def test_published_count_of_the_lenet(variables: int, count: int) -> None:
    assert count_parameters(LeNet(2 * variables, 2, GRID, "zeros")) == count


@pytest.mark.parametrize(("variables", "count"), [(7, 633_698), (11, 636_002)])
def test_published_count_of_the_u_net(variables: int, count: int) -> None:
    assert count_parameters(EnsembleUNet(2 * variables, 2, GRID, "zeros")) == count


def test_the_mlp_by_hand() -> None:
    network = PointMLP(5, 4)
    fields = torch.randn(2, 5, 3, 4)
    hidden = torch.einsum("hc,bcyx->bhyx", network.hidden.weight[:, :, 0, 0], fields)
    hidden = (hidden + network.hidden.bias.view(-1, 1, 1)).relu()
    wanted = torch.einsum("dh,bhyx->bdyx", network.last.weight[:, :, 0, 0], hidden)
    torch.testing.assert_close(network(fields), wanted + network.last.bias.view(-1, 1, 1))


@pytest.mark.parametrize("padding", ["zeros", "periodic"])
def test_a_whole_field_is_all_its_patches(padding: str) -> None:
    """A patch of 7 x 7 points alone, without padding, gives the value of its centre."""
    network = LeNet(3, 2, GRID, padding)
    fields = torch.randn(1, 3, *GRID)
    whole = network(fields)
    mode = {"mode": "circular"} if padding == "periodic" else {}
    wide = functional.pad(functional.pad(fields, (3, 3, 0, 0), **mode), (0, 0, 3, 3))
    for row, column in ((0, 0), (5, 9), (11, 15), (3, 15)):
        patch = wide[..., row : row + 7, column : column + 7]
        alone = network.last(network.layers(patch))
        assert alone.shape == (1, 2, 1, 1)
        torch.testing.assert_close(alone[..., 0, 0], whole[..., row, column])


@pytest.mark.parametrize("network", [LeNet(3, 2, GRID, "periodic"), PointMLP(3, 2)])
def test_turning_the_globe_turns_the_result(network: torch.nn.Module) -> None:
    fields = torch.randn(1, 3, *GRID)
    torch.testing.assert_close(network(fields.roll(5, -1)), network(fields).roll(5, -1))


def test_the_u_net_turns_with_the_globe_by_its_coarsest_step() -> None:
    network = EnsembleUNet(3, 2, GRID, "periodic").eval()
    fields = torch.randn(1, 3, *GRID)
    turned = network(fields.roll(4, -1))
    torch.testing.assert_close(turned, network(fields).roll(4, -1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("grid", [(9, 16), (11, 13), (8, 8)])
def test_the_u_net_keeps_odd_grids(grid: tuple[int, int]) -> None:
    assert EnsembleUNet(3, 2, grid, "zeros")(torch.randn(2, 3, *grid)).shape == (2, 2, *grid)


def test_a_row_left_over_is_the_one_before_it() -> None:
    fields = torch.arange(4.0).view(1, 1, 2, 2)
    larger = upsample(fields, torch.Size((5, 4)), "zeros")
    torch.testing.assert_close(larger[0, 0, :, 0], torch.tensor([0.0, 0.5, 1.5, 2.0, 2.0]))
    around = upsample(fields, torch.Size((4, 4)), "periodic")
    torch.testing.assert_close(around[0, 0, 0], torch.tensor([0.25, 0.25, 0.75, 0.75]))


def test_what_does_not_fit_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="patches of 7 points wrap around 2 longitudes"):
        LeNet(3, 2, (8, 2), "periodic")
    with pytest.raises(ValueError, match="needs 8 x 8 points, not 4 x 16"):
        EnsembleUNet(3, 2, (4, 16), "zeros")


def test_members_may_come_in_any_order_number_and_may_be_missing() -> None:
    network = EnsembleTransformer(3, 2)
    members, there = torch.randn(2, 6, 3, 4, 5), torch.ones(2, 6, dtype=torch.bool)
    whole = network(members, there)
    assert whole.shape == (2, 2, 4, 5)
    order = torch.randperm(6)
    torch.testing.assert_close(network(members[:, order], there[:, order]), whole)
    there[:, 4:] = False
    torch.testing.assert_close(network(members, there), network(members[:, :4], there[:, :4]))
    assert count_parameters(network) == (3 + 1) * 32 + 3 * 33 * 16 + 17 * 32 + 33 * 2


def test_attention_by_hand() -> None:
    network = EnsembleTransformer(2, 1, width=3, heads=2)
    members = torch.randn(1, 4, 2, 3, 3)
    block = network.blocks[0]
    fields = network.embed(members[0]).relu()
    query, key, value = (f(fields) for f in (block.query, block.key, block.value))
    mixed = torch.zeros_like(value)
    for head in range(2):
        for m in range(4):
            alike = (query[m, head] * key[:, head]).mean(dim=(1, 2)).softmax(0)
            mixed[m, head] = (alike.view(-1, 1, 1) * value[:, head]).sum(0)
    after = (fields + block.project(mixed)).relu()
    wanted = network.last(after.mean(0, keepdim=True))
    torch.testing.assert_close(network(members, torch.ones(1, 4, dtype=torch.bool)), wanted)
