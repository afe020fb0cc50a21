"""The forecasting centre: imperfect, repeatable, whatever is run beside."""

from datetime import date

import numpy as np
import pytest
import xarray as xr

from smoecast.config import data as config_data
from smoecast.data.sources.planet import dynamics, ensemble, nature, source
from smoecast.data.sources.planet.climate import Climate
from smoecast.errors import ConfigError

PLANET = config_data.Planet(
    years=0.1, start=date(2001, 12, 20), seed=2, ensemble_years=0.07, members=4
)


@pytest.fixture(scope="module", autouse=True)
def short_spin_up():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nature, "SPIN_UP", np.timedelta64(8, "D"))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensembles")
    shares: list[float] = []
    return source.write_ensembles(folder, PLANET, shares.append), shares


@pytest.fixture(scope="module")
def states():
    flow = dynamics.build(Climate())
    start = np.datetime64("2001-03-01", "s")
    wanted = start + np.arange(3) * ensemble.BREEDING
    kept, _ = nature.collect(
        flow,
        nature.start_weather(flow, 0, start),
        start,
        wanted[-1],
        wanted=wanted,
        tell=lambda t: None,
    )
    before, truth = (dynamics.State(kept.pv[s], kept.slow[s]) for s in (slice(0, 2), slice(1, 3)))
    return ensemble.Starts(wanted[1:], before, truth)


def test_layout(made):
    paths, shares = made
    assert [p.name for p in paths] == ["planet_ens_2001.nc", "planet_ens_2002.nc"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    with xr.open_dataset(paths[0], decode_timedelta=True) as data:
        assert data.z500.dims == ("init_time", "lead_time", "number", "latitude", "longitude")
        hours = data.lead_time.values / np.timedelta64(1, "h")
        assert hours.tolist() == [0, 24, 48]
        assert data.number.values.tolist() == [1, 2, 3, 4]
        assert data.valid_time.dims == ("init_time", "lead_time")
        assert (data.valid_time - data.init_time == data.lead_time).all()
        days = data.init_time.dt.dayofweek.values
        assert set(days.tolist()) <= {0, 3}
        assert data.init_time.values[0] == np.datetime64("2001-12-24")
        for name in source.CHANNELS:
            assert data[name].dtype == np.float32
            assert np.isfinite(data[name]).all()


def test_the_same_truth_as_the_analyses(made, tmp_path):
    analyses = source.write_analyses(tmp_path, PLANET, 12)
    with xr.open_dataset(analyses[0]) as truth, xr.open_dataset(made[0][0]) as forecast:
        start = forecast.init_time.values[0]
        came, first = truth.z500.sel(time=start), forecast.z500.isel(init_time=0, lead_time=0)
        weights = np.cos(np.deg2rad(came.latitude))
        error = float(np.sqrt(((first - came) ** 2).weighted(weights).mean()))
        size = np.hypot(ensemble.ANALYSIS_ERROR, ensemble.MEMBER_SPREAD)
        assert error == pytest.approx(size, rel=0.3)  # the size is set by psi, not by Z500 itself


def test_nothing_twice_and_the_same_again(made, tmp_path):
    before = [p.stat().st_mtime_ns for p in made[0]]
    again = source.write_ensembles(made[0][0].parent, PLANET)
    assert [p.stat().st_mtime_ns for p in again] == before
    (tmp_path / "planet_ens_2001.nc").write_bytes(made[0][0].read_bytes())
    paths = source.write_ensembles(tmp_path, PLANET)  # one is there, one is missing
    with xr.open_dataset(paths[1]) as one, xr.open_dataset(made[0][1]) as two:
        xr.testing.assert_identical(one, two)


def test_none_wanted_and_none_possible(tmp_path):
    assert source.write_ensembles(tmp_path, config_data.Planet()) == []
    with pytest.raises(ConfigError, match="no start date"):
        source.write_ensembles(tmp_path, config_data.Planet(ensemble_years=0.005))


def test_analyses_have_the_promised_size(states):
    centre = ensemble.set_up_centre()
    pv = ensemble.analyses(centre, states, 6, seed=0)
    assert pv.dtype == np.float32
    mean = pv.mean(axis=1, keepdims=True)
    error = ensemble.size_of(centre.flow, mean[:, 0] - states.truth.pv.astype(np.float32))
    np.testing.assert_allclose(error, ensemble.ANALYSIS_ERROR, rtol=1e-2)
    spread = np.sqrt(np.mean(ensemble.size_of(centre.flow, pv - mean) ** 2, axis=1))
    np.testing.assert_allclose(spread, ensemble.MEMBER_SPREAD, rtol=0.25)


def test_values_do_not_depend_on_company(states):
    centre = ensemble.set_up_centre()
    both = ensemble.forecast(centre, states, 2, seed=0)
    alone = ensemble.forecast(centre, states.part(slice(1, 2)), 2, seed=0)
    np.testing.assert_allclose(both["z500"][1], alone["z500"][0], atol=0.5)


def test_other_seed_other_members_and_a_single_one_works(states):
    centre = ensemble.set_up_centre()
    one = ensemble.forecast(centre, states, 1, seed=0)["z500"]
    two = ensemble.forecast(centre, states, 1, seed=1)["z500"]
    assert one.shape == (2, 3, 1, 32, 64)
    assert np.abs(one - two).max() > 50.0


def test_the_imperfect_copy_drifts_from_the_truth(states):
    truth, starts = states.truth, states.dates
    day = np.timedelta64(48, "h")
    perfect, copy = ensemble.set_up_centre(Climate()), ensemble.set_up_centre()
    state = dynamics.State(
        truth.pv[:, None].astype(np.float32), truth.slow[:, None].astype(np.float32)
    )
    right = ensemble.run(perfect.flow, state, starts, day).pv
    wrong = ensemble.run(copy.flow, state, starts, day).pv
    flow = dynamics.build(Climate())
    double = ensemble.run(flow, dynamics.State(truth.pv[:, None], truth.slow[:, None]), starts, day)
    assert np.all(ensemble.size_of(flow, wrong - double.pv) > 20.0)
    assert np.all(ensemble.size_of(flow, right - double.pv) < 1.0)  # precision is no such error
