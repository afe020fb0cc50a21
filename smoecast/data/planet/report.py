"""Print how the planet compares with ERA5: ``python -m smoecast.data.planet.report``."""

import argparse
import tempfile
import time
from pathlib import Path

import xarray as xr

from smoecast import config_data
from smoecast.data.planet import source, verification


def statistics(
    analyses: list[Path], ensembles: list[Path], steps_per_day: int, seed: int
) -> dict[str, float]:
    """Return every figure of `verification.BANDS` for which there are files.

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
    figures = verification.weather_figures(truth.z500.values, truth.t850.values, steps_per_day)
    figures["doubling_days"] = verification.doubling_days(seed)
    if ensembles:
        forecasts = _open(ensembles, "init_time").isel(lead_time=-1)
        came = truth.sel(time=forecasts.valid_time.values)
        for name in ("z500", "t850", "t2m"):
            spread, error, bias = verification.spread_skill(
                forecasts[name].values, came[name].values
            )
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
    for name, band in verification.BANDS.items():
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
            shared, own = verification.local_gain(t2m, steps)
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
