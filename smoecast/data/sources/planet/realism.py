"""Does the planet look like weather? Figures to hold against those of ERA5.

Every mean over the globe carries the weight cos(latitude); roots are taken last. The bands are
those that the planet promises; the figures of ERA5 at 5.625 degrees stand beside them (persistence
and climatology: Rasp et al. 2020, doi:10.1029/2020MS002203).
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config import data as config_data
from smoecast.data.sources.planet import dynamics, ensemble, nature, source, surface
from smoecast.data.sources.planet.climate import Climate


def statistics(
    analyses: list[Path], ensembles: list[Path], steps_per_day: int, seed: int
) -> dict[str, float]:
    """Return every figure of `BANDS` for which there are files.

    Parameters
    ----------
    analyses, ensembles : list of Path
        From `source.write_analyses`, `source.write_ensembles`; the first must cover the second.
    steps_per_day : int
        Analyses a day.
    seed : int
        The planet's.
    """
    truth = _open(analyses, "time")
    figures = weather_figures(truth.z500.values, truth.t850.values, steps_per_day)
    figures["doubling_days"] = days_to_double(seed)
    if ensembles:
        forecasts = _open(ensembles, "init_time").isel(lead_time=-1)
        came = truth.sel(time=forecasts.valid_time.values)
        for name in ("z500", "t850", "t2m"):
            spread, error, bias = spread_skill(forecasts[name].values, came[name].values)
            figures[f"{name}_spread_skill"] = spread / error
            figures[f"{name}_error"], figures[f"{name}_bias"] = error, bias
    return figures


def _open(paths: list[Path], dim: str) -> xr.Dataset:
    """Put yearly files one behind the other, in memory."""
    parts = []
    for path in paths:
        with xr.open_dataset(path) as data:
            parts.append(data.drop_vars(("orography", "lsm"), errors="ignore").load())
    return xr.concat(parts, dim)


def table(figures: dict[str, float]) -> str:
    """Lay figures out beside the accepted bands, as Markdown."""
    lines = ["| | ERA5 | accepted | planet | |", "|---|---|---|---|---|"]
    for name, band in BANDS.items():
        if name in figures:
            verdict = "ok" if band.low <= figures[name] <= band.high else "OUTSIDE"
            accepted = f"{band.low:.4g} to {band.high:.4g}"
            lines.append(
                f"| {band.words} | {band.era5} | {accepted} | {figures[name]:.4g} | {verdict} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Make a planet in a temporary folder and print its figures and what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=float, default=3.0, help="of analyses, 6-hourly")
    parser.add_argument("--ensemble-years", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    planet = config_data.Planet(
        years=given.years, seed=given.seed, ensemble_years=min(given.years, given.ensemble_years)
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        analyses = source.write_analyses(Path(folder), planet, 6)
        between = time.perf_counter()
        ensembles = source.write_ensembles(Path(folder), planet)
        ended = time.perf_counter()
        figures = statistics(analyses, ensembles, 4, planet.seed)
        print(table(figures))
        for name in ("z500", "t850", "t2m") if ensembles else ():
            error, bias = figures[f"{name}_error"], figures[f"{name}_bias"]
            print(f"{name} ensemble mean at 48 h: RMSE {error:.4g}, of which mean error {bias:.4g}")
        t2m = _open(analyses, "time").t2m.values
        for steps in (1, 2, 4, 12):
            shared, own = local_gain(t2m, steps)
            print(
                f"t2m {6 * steps} h ahead, 3 x 3 regression: shared {shared:.2f} K, "
                f"per point {own:.2f} K, {100 * (1 - own / shared):.0f} % better"
            )
    print(
        f"{planet.years:g} years of analyses in {between - begun:.1f} s, "
        f"{planet.ensemble_years:g} years of ensembles in {ended - between:.1f} s"
    )


if __name__ == "__main__":
    main()


Array = NDArray[np.floating]


@dataclass(frozen=True)
class Band:
    """What a figure may be: what it is called, what ERA5 has, the lowest and the highest value."""

    words: str
    era5: str
    low: float
    high: float


BANDS = {
    "z500_1d": Band("Z500 persistence RMSE, 1 day (m2 s-2)", "577", 0.8 * 577, 1.2 * 577),
    "z500_3d": Band("Z500 persistence RMSE, 3 days", "925", 0.8 * 925, 1.2 * 925),
    "z500_5d": Band("Z500 persistence RMSE, 5 days", "1021", 0.8 * 1021, 1.2 * 1021),
    "z500_climatology": Band("Z500 RMSE of the time mean", "1075", 0.8 * 1075, 1.2 * 1075),
    "t850_3d": Band("T850 persistence RMSE, 3 days (K)", "4.2", 0.75 * 4.2, 1.25 * 4.2),
    "t850_5d": Band("T850 persistence RMSE, 5 days", "4.6", 0.75 * 4.6, 1.25 * 4.6),
    "z500_waves": Band("Z500 standing waves, std (m2 s-2)", "", 200.0, np.inf),
    "doubling_days": Band("doubling time of a small error (days)", "about 2", 1.5, 4.0),
    "z500_spread_skill": Band("ensemble Z500 spread / RMSE, 48 h", "", 0.5, 0.8),
    "t850_spread_skill": Band("ensemble T850 spread / RMSE, 48 h", "", 0.5, 0.8),
    "t2m_spread_skill": Band("ensemble T2m spread / RMSE, 48 h", "", 0.5, 0.8),
}
"""Accepted figures, by the names that the functions below give them."""


def root_mean_square(values: Array) -> float:
    """Return the root of the mean over all axes, latitude weighted; (..., latitude, longitude)."""
    weights = np.cos(np.deg2rad(surface.LATITUDE))[:, None]
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2 * weights / weights.mean())))


def weather_figures(z500: Array, t850: Array, steps_per_day: int) -> dict[str, float]:
    """Return persistence errors, variability and standing waves.

    Parameters
    ----------
    z500, t850 : (time, latitude, longitude) array
        m2 s-2 and K, equidistant in time.
    steps_per_day : int
        Times a day.
    """
    mean = z500.mean(axis=0, dtype=np.float64)
    figures = {
        "z500_climatology": root_mean_square(z500 - mean),
        "z500_waves": root_mean_square(mean - mean.mean(axis=1, keepdims=True)),
    }
    for name, field, all_days in (("z500", z500, (1, 3, 5)), ("t850", t850, (3, 5))):
        for days in all_days:
            ahead = days * steps_per_day
            figures[f"{name}_{days}d"] = root_mean_square(field[ahead:] - field[:-ahead])
    return figures


def days_to_double(seed: int, cases: int = 6) -> float:
    """Return the time in days in which a very small error of Z500 doubles.

    Mean growth from the 5th to the 15th day of twin runs from `cases` states, 20 days apart.
    """
    flow, start = dynamics.build(Climate()), np.datetime64("2001-01-01", "s")
    starts = start + np.arange(cases) * np.timedelta64(20, "D")
    state = nature.start_weather(flow, seed, start)
    stop = starts[-1] + np.timedelta64(1, "D")
    kept, _ = nature.collect(flow, state, start, stop, wanted=starts, tell=lambda time: None)
    rng = np.random.default_rng([seed, 3])
    small = 1e-9 * rng.standard_normal(kept.pv.shape) * (np.abs(kept.pv) > 0)
    twins = dynamics.State(
        np.stack([kept.pv, kept.pv + small], axis=1), np.stack([kept.slow, kept.slow], axis=1)
    )
    sizes = []
    for begins, days in ((0, 5), (5, 10)):
        when = starts + np.timedelta64(begins, "D")
        twins = ensemble.run(flow, twins, when, np.timedelta64(24 * days, "h"))
        sizes.append(ensemble.size_of(flow, twins.pv[:, 1] - twins.pv[:, 0]))
    return float(10.0 * np.log(2.0) / np.mean(np.log(sizes[1] / sizes[0])))


def spread_skill(forecast: Array, truth: Array) -> tuple[float, float, float]:
    """Return the spread of an ensemble, the RMSE of its mean, and the RMS of its mean error.

    Parameters
    ----------
    forecast : (start, number, latitude, longitude) array
        Members at one lead time.
    truth : (start, latitude, longitude) array
        What came.
    """
    members = forecast.astype(np.float64)
    error = members.mean(axis=1) - truth
    spread = root_mean_square(members.std(axis=1, ddof=1))
    return spread, root_mean_square(error), root_mean_square(error.mean(axis=0))


def local_gain(values: Array, ahead: int) -> tuple[float, float]:
    """Return the test RMSE of a 3 x 3 linear forecast shared by all points, and of one per point.

    Fitted to the first three quarters of the series, tested on the last; both see the field itself
    and a constant; the one per point is drawn towards the shared one by a small ridge.

    Parameters
    ----------
    values : (time, latitude, longitude) array
        One field, equidistant in time.
    ahead : int
        Lead time in steps.
    """
    field = (values - values.mean()) / values.std()
    padded = np.pad(field, ((0, 0), (1, 1), (0, 0)), mode="edge")
    rows = field.shape[1]
    near = [np.roll(padded[:, i : i + rows], j, axis=2) for i in range(3) for j in (-1, 0, 1)]
    inputs = np.stack([*near, np.ones_like(field)], axis=-1)[:-ahead].astype(np.float64)
    target = field[ahead:]
    fitted = 3 * len(target) // 4
    x, y = inputs[:fitted], target[:fitted]
    square = np.einsum("thwi,thwj->hwij", x, x, optimize=True)
    cross = np.einsum("thwi,thw->hwi", x, y, optimize=True)
    weights = np.cos(np.deg2rad(surface.LATITUDE))[:, None, None]
    ridge = np.eye(square.shape[-1])
    shared = np.linalg.solve(
        (square * weights[..., None]).sum(axis=(0, 1)) + 1e-3 * ridge,
        (cross * weights).sum(axis=(0, 1)),
    )
    own = np.linalg.solve(square + ridge, (cross + shared)[..., None])[..., 0]
    x, y, scale = inputs[fitted:], target[fitted:], float(values.std())
    one = root_mean_square(y - x @ shared) * scale
    return one, root_mean_square(y - np.einsum("thwi,hwi->thw", x, own)) * scale
