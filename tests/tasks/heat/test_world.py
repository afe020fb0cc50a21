"""The world of the heat-diffusion experiment: its map, its physics, its seeds."""

import time

import numpy as np
import pytest
import torch

from smoecast.errors import ConfigError
from smoecast.tasks.heat.world import (
    BACKGROUND,
    DIFFUSIVITIES,
    MOST_SOURCES,
    SOURCE,
    diffuse,
    grow_regions,
    simulate,
    within,
)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_map_has_three_regions_of_fair_size(seed):
    regions = grow_regions((64, 64), seed)
    share = np.bincount(regions.ravel(), minlength=3) / regions.size
    assert regions.shape == (64, 64)
    assert len(share) == len(DIFFUSIVITIES)
    assert share.min() > 0.15


def test_map_is_grown_in_patches():
    regions = grow_regions((64, 64), 0)
    alike = (regions[:, 1:] == regions[:, :-1]).mean()
    assert alike > 0.6  # Drawn independently, a third of the neighbours would be alike.


def test_map_depends_on_its_seed_alone():
    assert np.array_equal(grow_regions((16, 20), 3), grow_regions((16, 20), 3))
    assert not np.array_equal(grow_regions((16, 20), 3), grow_regions((16, 20), 4))


def test_small_map_holds_every_type():
    for seed in range(5):
        assert set(np.unique(grow_regions((3, 3), seed))) == {0, 1, 2}


def test_map_too_small_is_refused():
    with pytest.raises(ConfigError, match="3 x 3"):
        grow_regions((2, 9), 0)


def test_worked_number_of_one_step():
    field = np.zeros((3, 4), np.float32)
    field[1, 1] = 1.0
    diffusivity = np.full((3, 4), 0.1, np.float32)
    diffusivity[1, 2] = 0.25
    later = diffuse(field, diffusivity)
    expected = [[0, 0.1, 0, 0], [0.1, 0.6, 0.25, 0], [0, 0.1, 0, 0]]
    np.testing.assert_allclose(later, expected, rtol=1e-6)


def test_step_equals_a_convolution_with_zeros_outside():
    generator = np.random.default_rng(0)
    field = generator.random((2, 9, 9), np.float32)
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    flow = torch.nn.functional.conv2d(torch.from_numpy(field)[:, None], kernel, padding=1)
    expected = field + 0.025 * flow[:, 0].numpy()
    np.testing.assert_allclose(
        diffuse(field, np.full((9, 9), 0.025, np.float32)), expected, rtol=1e-5
    )


def test_heat_is_conserved_away_from_the_boundary():
    field = np.zeros((21, 21), np.float32)
    field[8:12, 9:13] = 0.7
    diffusivity = np.full((21, 21), 0.25, np.float32)
    total = field.sum()
    for _ in range(8):
        field = diffuse(field, diffusivity)
    assert field.sum() == pytest.approx(total, rel=1e-6)


def test_heat_leaves_through_the_boundary():
    field = np.ones((5, 5), np.float32)
    assert diffuse(field, np.full((5, 5), 0.25, np.float32)).sum() == pytest.approx(25 - 5)


def test_heat_never_exceeds_where_it_began():
    heat = simulate(grow_regions((24, 24), 0), runs=3, steps=60, seed=0, part=0)
    peak = heat.fields.max(axis=(2, 3))
    assert heat.fields.min() >= 0
    assert (np.diff(peak, axis=1) <= 1e-6).all()


def test_runs_begin_with_noise_and_a_few_sources_in_every_region():
    regions = grow_regions((32, 32), 1)
    first = simulate(regions, runs=40, steps=1, seed=1, part=0).fields[:, 0]
    hot = first == SOURCE
    counts = np.stack([hot[:, regions == region].sum(axis=1) for region in range(3)])
    assert counts.min() == 1
    assert counts.max() == MOST_SOURCES
    assert first[~hot].min() >= 0
    assert first[~hot].max() <= BACKGROUND


def test_pairs_are_neighbouring_steps():
    heat = simulate(grow_regions((16, 16), 0), runs=3, steps=7, seed=0, part=1)
    assert len(heat) == 21
    now, later = heat.batch(np.array([20, 0, 8]))
    assert now.shape == later.shape == (3, 1, 16, 16)
    assert torch.equal(now[0, 0], torch.from_numpy(heat.fields[2, 6]))
    assert torch.equal(later[2, 0], torch.from_numpy(heat.fields[1, 2]))
    diffusivity = np.array(DIFFUSIVITIES, np.float32)[heat.regions]
    np.testing.assert_array_equal(diffuse(now.numpy(), diffusivity), later.numpy())


def test_runs_depend_on_seed_and_part_and_not_on_their_number():
    regions = grow_regions((12, 12), 0)
    few = simulate(regions, 2, 3, seed=0, part=0).fields
    many = simulate(regions, 70, 3, seed=0, part=0).fields
    assert np.array_equal(few, many[:2])
    assert not np.array_equal(few, simulate(regions, 2, 3, seed=0, part=1).fields)
    assert not np.array_equal(few, simulate(regions, 2, 3, seed=1, part=0).fields)


@pytest.mark.parametrize(("runs", "steps"), [(0, 5), (5, 0)])
def test_nothing_to_simulate_is_refused(runs, steps):
    with pytest.raises(ConfigError, match="needs runs and steps"):
        simulate(grow_regions((8, 8), 0), runs, steps, seed=0, part=0)


def test_within_one_per_cent():
    target = torch.tensor([1.0, 1.0, 0.0, -2.0, 0.0])
    output = torch.tensor([1.0099, 1.0101, 1e-9, -1.981, 1e-7])
    assert within(output, target).tolist() == [True, False, True, True, False]


@pytest.mark.slow
def test_thousand_runs_take_well_under_a_minute():
    begun = time.perf_counter()
    heat = simulate(grow_regions((64, 64), 0), runs=1000, steps=100, seed=0, part=0)
    assert len(heat) == 100_000
    assert time.perf_counter() - begun < 30
