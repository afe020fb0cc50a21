"""What the weather of ``gcm.py`` is like, beside the real one over Iberia.

Run ``python tests/benchmarks/gcm_look.py gcm --last 2011``; it needs the data folder
``../shared/data/ncep-iberia`` and looks at no later year than it is told. The globe, on the
model's own grid: means, storm tracks (standard deviation of z500 about the mean of each calendar
month) and RMSE of persistence, weighted by area. Iberia (35 to 47.5 N, 15 W to 5 E): the same of
daily values at 00 UTC, each on the points of its own grid.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

IBERIA = Path(__file__).resolve().parents[2] / "../shared/data/ncep-iberia/ncep_iberia_1961_2010.nc"
DAYS = (1, 2, 3, 5, 10)
FIELDS = {"z500": ("z", 500.0), "t850": ("t", 850.0), "t2m": ("t2m", None)}


def read(folder, first, last):
    """Three fields of the model (time, lat, lon), of whole years."""
    files = [
        path for path in sorted(folder.glob("jcm-*.nc")) if first <= int(path.name[4:8]) <= last
    ]
    parts = {name: [] for name in FIELDS}
    for path in files:
        with xr.open_dataset(path) as month:
            for name, (variable, level) in FIELDS.items():
                field = month[variable]
                parts[name].append((field if level is None else field.sel(level=level)).load())
    return {name: xr.concat(values, "time") for name, values in parts.items()}


def read_iberia():
    with xr.open_dataset(IBERIA) as data:
        out = {
            "z500": data["z"].sel(level=500.0),
            "t850": data["t"].sel(level=850.0),
            "t2m": data["t2m"],
        }
        part = {"time": slice("1986", "1995")}
        short = {"latitude": "lat", "longitude": "lon"}
        return {name: field.sel(part).load().rename(short) for name, field in out.items()}


def weights(field):
    return np.cos(np.deg2rad(field.lat)) * xr.ones_like(field.isel(time=0, drop=True))


def persistence(field, hours):
    """RMSE after each number of days, weighted by area."""
    out = []
    for days in DAYS:
        ahead = days * 24 // hours
        error = field.values[ahead:] - field.values[:-ahead]
        out.append(np.sqrt(np.average((error**2).mean(axis=0), weights=weights(field))))
    return out


def anomalies(field):
    month = field["time"].dt.month
    return field.groupby(month) - field.groupby(month).mean()


def report(words, values):
    print(f"{words:44}" + "".join(f"{value:9.2f}" for value in values))


def report_globe(fields):
    z500, t2m = fields["z500"], fields["t2m"]
    print("model, the whole globe")
    report("mean z500, m2 s-2 / 9.81 = m", [z500.weighted(weights(z500)).mean() / 9.81])
    winter = z500.where(z500.time.dt.month.isin((12, 1, 2)), drop=True)
    summer = z500.where(z500.time.dt.month.isin((6, 7, 8)), drop=True)
    bands = {"45 to 55 N": (45, 55), "15 S to 15 N": (-15, 15), "55 to 45 S": (-55, -45)}
    for words, (south, north) in bands.items():
        for season, part in (("DJF", winter), ("JJA", summer)):
            band = part.sel(lat=slice(south, north))
            spread = anomalies(band).std("time")
            report(
                f"  {words}, {season}: mean, m; std, m", [band.mean() / 9.81, spread.mean() / 9.81]
            )
    for words, (south, north) in bands.items():
        year = t2m.sel(lat=slice(south, north)).groupby("time.month").mean(...)
        report(f"  {words}, t2m: January, July, K", [year.sel(month=1), year.sel(month=7)])
    report("persistence, days", DAYS)
    for name, field in fields.items():
        report(f"  {name}, RMSE", persistence(field, 12))


def report_iberia(words, fields):
    print(f"{words}, Iberia, daily at 00 UTC")
    for name, field in fields.items():
        spread = anomalies(field).std("time")
        year = field.groupby("time.month").mean(...)
        values = [field.mean(), spread.mean(), year.sel(month=1), year.sel(month=7)]
        report(f"  {name}: mean, std, January, July", values)
        report(f"  {name}: persistence, RMSE", persistence(field, 24))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=2001, help="first year")
    parser.add_argument("--last", type=int, default=2011, help="last year that is looked at")
    asked = parser.parse_args()
    fields = read(asked.folder, asked.first, asked.last)
    report_globe(fields)
    box = {}
    for name, field in fields.items():
        west = field.assign_coords(lon=(field.lon + 180) % 360 - 180).sortby("lon")
        at_night = (field.time.dt.hour == 0).values
        box[name] = west.sel(lat=slice(35, 47.5), lon=slice(-15, 5)).isel(time=at_night)
    report_iberia("model", box)
    if IBERIA.exists():
        report_iberia("NCEP Reanalysis 1, 1986 to 1995", read_iberia())


if __name__ == "__main__":
    main()
