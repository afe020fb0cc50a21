"""Worked numbers for the figures, and the figures of the planet itself."""

import sys

import numpy as np
import pytest

from smoecast.config import data
from smoecast.data.sources.planet import realism, source, surface


def test_root_mean_square_is_weighted():
    north = np.zeros((32, 64))
    north[0] = 1.0
    weight = np.cos(np.deg2rad(surface.LATITUDE))
    assert realism.root_mean_square(north) == pytest.approx(np.sqrt(weight[0] / weight.sum()))
    assert realism.root_mean_square(np.full((3, 32, 64), -2.0)) == pytest.approx(2.0)


def test_weather_figures_of_a_drift():
    time = np.arange(40.0)[:, None, None]
    field = 100.0 * time + np.zeros((1, 32, 64))
    figures = realism.weather_figures(field, field / 100.0, steps_per_day=2)
    assert figures["z500_3d"] == pytest.approx(600.0)
    assert figures["t850_5d"] == pytest.approx(10.0)
    assert figures["z500_waves"] == pytest.approx(0.0, abs=1e-9)


def test_spread_skill_of_known_members():
    truth = np.zeros((5, 32, 64))
    members = np.stack([truth + 3.0, truth + 1.0], axis=1)
    spread, error, bias = realism.spread_skill(members, truth)
    assert (spread, error, bias) == pytest.approx((np.sqrt(2.0), 2.0, 2.0))


def test_local_gain_finds_what_depends_on_place():
    rng = np.random.default_rng(0)
    factor = np.where(np.arange(64) % 2 == 0, 0.9, -0.9)[None, :]
    series = [rng.standard_normal((32, 64))]
    for _ in range(200):
        series.append(factor * series[-1] + 0.3 * rng.standard_normal((32, 64)))
    shared, own = realism.local_gain(np.array(series[50:]), 1)
    assert own < 0.4
    assert shared > 0.6


def test_table_says_what_is_outside():
    lines = realism.table({"z500_1d": 577.0, "doubling_days": 9.0}).splitlines()
    assert len(lines) == 4
    assert lines[2].endswith("| 577 | ok |")
    assert lines[3].endswith("| 9 | OUTSIDE |")


def _misses(figures):
    bands = realism.BANDS
    return {
        name: value
        for name, value in figures.items()
        if name in bands and not bands[name].low <= value <= bands[name].high
    }


@pytest.mark.slow
def test_a_year_looks_like_weather(tmp_path):
    planet = data.Planet(years=1.0, ensemble_years=0.2, seed=1, members=6)
    figures = realism.statistics(
        source.write_analyses(tmp_path, planet, 12), source.write_ensembles(tmp_path, planet), 2, 1
    )
    assert set(realism.BANDS) <= set(figures)
    assert not _misses(figures)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2])
def test_four_years_look_like_weather(tmp_path, seed):
    planet = data.Planet(years=4.0, ensemble_years=2.0, seed=seed)
    figures = realism.statistics(
        source.write_analyses(tmp_path, planet, 6),
        source.write_ensembles(tmp_path, planet),
        4,
        seed,
    )
    assert not _misses(figures)
    # the mean error differs from place to place, and is much of the whole
    assert figures["t2m_bias"] > 0.3 * figures["t2m_error"]


def test_report_prints_a_table(monkeypatch, capsys):
    from smoecast.data.sources.planet import nature

    monkeypatch.setattr(nature, "SPIN_UP", np.timedelta64(3, "D"))
    monkeypatch.setattr(sys, "argv", ["report", "--years", "0.08", "--ensemble-years", "0.04"])
    monkeypatch.setattr(realism, "days_to_double", lambda seed: 2.0)
    realism.main()
    printed = capsys.readouterr().out
    assert "| Z500 persistence RMSE, 1 day (m2 s-2) | 577 |" in printed
    assert "t2m 12 h ahead" in printed
