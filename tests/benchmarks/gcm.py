"""Weather of a circulation model that was made elsewhere, jcm, as files for source ``files``.

It runs where jcm 3.0.0 is installed (``pip install jcm==3.0.0``; smoecast is not needed there)::

    python tests/benchmarks/gcm.py gcm --start 2000-07-01 --keep 2001-01-01 --end 2014-01-01

SPEEDY's physics on T31 (a Gaussian grid of 96 x 48 points) with 8 sigma levels, in steps of 40
minutes as SPEEDY has them; the orography, the sea surface, the sea ice, the snow and the soil of
the climatology that jcm's wheel carries. Snapshots at 00 and 12 UTC go to one CF NetCDF file a
month, on the model's own grid: z, t, u, v and q at 250, 500, 700 and 850 hPa, the temperature near
the surface, the pressure there, and the constants.
What is before ``--keep`` is the spin-up, and is not written. A run that was stopped goes on from
its last whole month. ``--truncation 21`` (64 x 32 points) takes a third of the time, and its
weather is calmer. One thread: ``XLA_FLAGS="--xla_cpu_multi_thread_eigen=false"``. Figures:
docs/decisions/0041-a-circulation-model.md.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import xarray as xr

LEVELS_HPA = (250.0, 500.0, 700.0, 850.0)
STEP_MINUTES = 40.0
EVERY_HOURS = 12

# Constants of jcm.constants, so that the hydrostatic equation is the one that the model has
GRAVITY = 9.81
DRY_AIR = 2.0 / 7.0 * 1004.64
REFERENCE_PA = 1.0e5
SEA_LEVEL_PA = 101325.0
VAPOUR = 461.51 / DRY_AIR - 1.0
LAPSE_RATE = 6.5e-3

NAMES = {
    "z": ("geopotential", "m2 s-2"),
    "t": ("air_temperature", "K"),
    "u": ("eastward_wind", "m s-1"),
    "v": ("northward_wind", "m s-1"),
    "q": ("specific_humidity", "kg kg-1"),
}


def interpolate_to_pressure(pressure, fields, levels):
    """Values at pressure levels from values at the layers of a model.

    All are linear in the logarithm of pressure, but for the geopotential: between two layers it
    follows from the hydrostatic equation with a virtual temperature that is linear there, closed
    at both layers. Below the lowest layer (and so below the ground) u, v and q are those of the
    lowest layer, temperature rises by 6.5 K/km, and z goes along with it; above the highest layer
    no level may lie.

    Parameters
    ----------
    pressure : array (layers, ...)
        Pressure of the layers, Pa, growing along the first axis.
    fields : dict of str to array (layers, ...)
        ``z`` (m2 s-2), ``t`` (K), ``q`` (kg kg-1), ``u`` and ``v`` (m s-1).
    levels : sequence of float
        Pressures that are wanted, Pa.

    Returns
    -------
    dict of str to array (levels, ...)

    Raises
    ------
    ValueError
        Where a level lies above the highest layer.
    """
    height = np.log(pressure)
    out = {name: [] for name in fields}
    for level in levels:
        if np.any(pressure[0] > level):
            raise ValueError(f"{level} Pa lies above the highest layer: ask for lower levels")
        want = np.log(level)
        below = np.clip((height < want).sum(axis=0), 1, len(height) - 1)[None]
        layers = {
            name: (take(values, below - 1), take(values, below)) for name, values in fields.items()
        }
        top, bottom = take(height, below - 1), take(height, below)
        share = np.minimum((want - top) / (bottom - top), 1.0)
        values = {name: (1 - share) * a + share * b for name, (a, b) in layers.items()}
        warm = [t * (1 + VAPOUR * q) for t, q in zip(layers["t"], layers["q"], strict=True)]
        curve = (warm[1] - warm[0]) / (bottom - top)
        values["z"] += 0.5 * DRY_AIR * curve * (want - top) * np.maximum(bottom - want, 0.0)
        under = want > bottom
        grown = np.exp(DRY_AIR * LAPSE_RATE / GRAVITY * (want - bottom))
        values["t"] = np.where(under, layers["t"][1] * grown, values["t"])
        fallen = GRAVITY / LAPSE_RATE * warm[1] * (grown - 1.0)
        values["z"] = np.where(under, layers["z"][1] - fallen, values["z"])
        for name, value in values.items():
            out[name].append(value)
    return {name: np.stack(values) for name, values in out.items()}


def take(values, index):
    return np.take_along_axis(values, index, axis=0)[0]


def build_model(start, truncation):
    """The model and its forcing, from the files (of T30) in jcm's own wheel."""
    import jcm
    from jcm.forcing import ForcingData
    from jcm.model import Model
    from jcm.physics.speedy.speedy_coords import get_speedy_coords
    from jcm.physics.speedy.speedy_terms import speedy_physics
    from jcm.terrain import TerrainData

    climatology = Path(jcm.__file__).parent / "data/bc/t30/clim"
    coords = get_speedy_coords(layers=8, spectral_truncation=truncation)
    model = Model(
        coords=coords,
        terrain=TerrainData.from_file(climatology / "terrain.nc", coords),
        physics=speedy_physics(),
        time_step=STEP_MINUTES,
        start_time=start,
    )
    forcing = ForcingData.from_file(
        str(climatology / "forcing.nc"), coords=coords, align_mode="wrap_year"
    )
    return model, forcing


def build_rest(model):
    """Air at rest of 288 K, in balance with the ground.

    What jcm starts from has 1000 hPa on mountains too, 17 hPa more than the real atmosphere in the
    mean, and keeps them for ever; its own mend, `balanced_isothermal_state`, means the logarithm of
    pressure in Pa, where sigma layers have that of the share of 1000 hPa.
    """
    rest = model.initial_state()
    lift = np.log(SEA_LEVEL_PA / REFERENCE_PA) - model.terrain.phis0 / (DRY_AIR * 288.0)
    balanced = rest.log_surface_pressure + model.coords.horizontal.to_modal(lift[None])
    return rest.replace(log_surface_pressure=balanced)


def build_snapshot(model, forcing):
    """A function that gives the state of the model now, on its grid and layers."""
    import jax
    from jcm.date import DateData
    from jcm.physics_interface import verify_state

    @jax.jit
    def compute(state, carry, now, step):
        grid = verify_state(model.dycore.to_physics_state(state))
        date = DateData(now, step, 60.0 * STEP_MINUTES)
        _, physics = model.physics.compute_tendencies(
            grid, forcing.select(date), model.terrain, carry
        )
        return grid, physics["_surface_flux"].t0

    def take_snapshot():
        run = model.run_state
        grid, near = jax.device_get(compute(run.dynamics, run.physics, run.time, run.step))
        fields = {
            "z": grid.geopotential,
            "t": grid.temperature,
            "q": grid.specific_humidity,
            "u": grid.u_wind,
            "v": grid.v_wind,
        }
        surface = REFERENCE_PA * np.squeeze(grid.normalized_surface_pressure)
        layers = np.asarray(model.coords.vertical.centers)[:, None, None] * surface
        levels = [100.0 * level for level in LEVELS_HPA]
        values = interpolate_to_pressure(layers, fields, levels)
        return {**values, "t2m": near, "sp": surface}

    return take_snapshot


def describe(model):
    """Coordinates and constants of the files."""
    grid = model.coords.horizontal
    axes = {
        "lat": ("lat", np.rad2deg(np.asarray(grid.latitudes)), {"units": "degrees_north"}),
        "lon": ("lon", np.rad2deg(np.asarray(grid.longitudes)), {"units": "degrees_east"}),
    }
    dims = ("lat", "lon")
    ground = np.asarray(model.terrain.phis0).T.astype("f4")
    land = np.asarray(model.terrain.fmask).T.astype("f4")
    return axes, {
        "orography": (dims, ground, {"standard_name": "surface_geopotential", "units": "m2 s-2"}),
        "lsm": (dims, land, {"standard_name": "land_area_fraction", "units": "1"}),
    }


def as_dataset(times, snapshots, axes, constants):
    """One month as CF has it."""
    stacked = {name: np.stack([one[name] for one in snapshots]) for name in snapshots[0]}
    data = dict(constants)
    for name, (standard, units) in NAMES.items():
        data[name] = (
            ("time", "level", "lat", "lon"),
            stacked[name].swapaxes(-1, -2).astype("f4"),
            {"standard_name": standard, "units": units},
        )
    dims = ("time", "lat", "lon")
    data["t2m"] = (
        dims,
        stacked["t2m"].swapaxes(-1, -2).astype("f4"),
        {
            "standard_name": "air_temperature",
            "units": "K",
            "long_name": "temperature of the air near the surface",
            "comment": "SPEEDY's t0, extrapolated from the two lowest layers to sigma = 0.99",
        },
    )
    data["sp"] = (
        dims,
        stacked["sp"].swapaxes(-1, -2).astype("f4"),
        {"standard_name": "surface_air_pressure", "units": "Pa"},
    )
    level = ("level", np.array(LEVELS_HPA), {"standard_name": "air_pressure", "units": "hPa"})
    dataset = xr.Dataset(data, {"time": times, "level": level, **axes})
    points = f"{len(axes['lon'][1])} x {len(axes['lat'][1])} points"
    dataset.attrs = {
        "Conventions": "CF-1.10",
        "title": "A run of the circulation model jcm 3.0.0, no real weather",
        "source": f"jcm 3.0.0, SPEEDY physics, {points}, steps of {STEP_MINUTES:g} minutes",
    }
    dataset.time.encoding = {"units": "hours since 2000-01-01", "dtype": "i4"}
    return dataset


def run_month(model, forcing, take_snapshot, month):
    """Run to the end of a month, and say when and what its snapshots are."""
    end = month + np.timedelta64(1, "M")
    times = np.arange(
        month.astype("M8[h]"), end.astype("M8[h]"), np.timedelta64(EVERY_HOURS, "h")
    ).astype("M8[ns]")
    snapshots = []
    hours = f"{EVERY_HOURS} hours"
    for _ in times:
        snapshots.append(take_snapshot())
        model.resume(forcing=forcing, total_time=hours, save_interval=hours)
    return times, snapshots


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", default="2000-07-01", help="first day of the run")
    parser.add_argument("--keep", default="2001-01-01", help="first day that is written")
    parser.add_argument("--end", default="2014-01-01", help="day after the last")
    parser.add_argument("--truncation", type=int, default=31, choices=(21, 31))
    asked = parser.parse_args()
    from jcm.checkpoint import load_checkpoint, save_checkpoint

    model, forcing = build_model(asked.start, asked.truncation)
    model.bootstrap_state(build_rest(model))
    state = asked.folder / "state.ckpt"
    month = np.datetime64(asked.start, "M")
    if state.exists():
        passed = load_checkpoint(model, state)
        month = (np.datetime64(asked.start) + np.timedelta64(round(passed), "D")).astype("M8[M]")
    take_snapshot = build_snapshot(model, forcing)
    axes, constants = describe(model)
    asked.folder.mkdir(parents=True, exist_ok=True)
    while month < np.datetime64(asked.end, "M"):
        began, cpu = time.time(), time.process_time()
        times, snapshots = run_month(model, forcing, take_snapshot, month)
        if not all(np.isfinite(value).all() for value in snapshots[-1].values()):
            raise SystemExit(f"The model's state is no number any more in {month}.")
        if month >= np.datetime64(asked.keep, "M"):
            dataset = as_dataset(times, snapshots, axes, constants)
            deflate = {name: {"zlib": True, "complevel": 1} for name in dataset.data_vars}
            part = asked.folder / "part"
            dataset.to_netcdf(part, encoding=deflate)
            part.rename(asked.folder / f"jcm-{month}.nc")
        save_checkpoint(model, state)
        wall, cpu = time.time() - began, time.process_time() - cpu
        print(f"{month}: {cpu:.0f} s of CPU, {wall:.0f} s", flush=True)
        month += np.timedelta64(1, "M")


if __name__ == "__main__":
    main()
