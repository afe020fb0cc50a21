"""What lies in the folder in which the commands of a page are run, and what makes them quick."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import arrivals
import made_grib
import made_zarr
import numpy as np
import small_world
import xarray as xr
from loopback import Shelf, serving
from typer.testing import CliRunner

from smoecast.cli.main import app

More = Mapping[str, tuple[str, ...]]
"""Arguments that are added to a verb, by its name."""
ROOT = Path(__file__).parents[2]
SHORT = ("-s", "training.epochs=1", "-s", "training.threads=1")


def nothing(place: Path, stack: ExitStack) -> More:
    """Leave the folder empty."""
    return {}


@dataclass(frozen=True)
class World:
    """How a page is run.

    Attributes
    ----------
    prepare : callable
        Puts files into the empty folder; returns what its commands need beside what is shown.
    quicker : mapping
        Arguments that make commands quick.
    slow : bool
        Whether it takes minutes: `make slow` runs it, as it stands.
    """

    prepare: Callable[[Path, ExitStack], More] = nothing
    quicker: More = field(default_factory=dict)
    slow: bool = False


def finish_a_run(place: Path, stack: ExitStack) -> More:
    """Put a run there whose every verb can be called: ``run.yaml`` and ``runs/mine``."""
    small_world.write_world(place, days=30)
    text = small_world.CONFIG.replace("name: small", "name: mine").replace("epochs: 2", "epochs: 1")
    text = text.replace("data:\n", f"data:\n  files: ['{place}/analyses_*.nc']\n", 1)
    text = text.replace(
        "postprocess:\n", f"postprocess:\n  method: emos\n  files: ['{place}/ensembles.nc']\n"
    )
    text = text.replace("lead_hours: [24, 48]", "lead_hours: [24]")
    text = text.replace("network: {width: 8, blocks: 1, smoe: {layers: last}}\n  training: ", "x: ")
    kept = [line for line in text.splitlines() if not line.startswith("  x: ")]
    (place / "run.yaml").write_text("\n".join(kept) + "\nevaluate: {resamples: 20}\n")
    for verb in ("preprocess", "train", "postprocess"):
        done = CliRunner().invoke(app, [verb, "-c", "run.yaml"])
        assert done.exit_code == 0, done.output
    return {}


def bring_gfs(place: Path, stack: ExitStack) -> More:
    """Put 40 analyses there as whole GFS files have them, and three that come later."""
    (place / "gfs").mkdir()
    (place / "new").mkdir()
    for number in range(43):
        when = np.datetime64("2026-01-01", "h") + number * 6
        day, hour = str(when)[:10].replace("-", ""), int(str(when)[11:13])
        folder = place / ("gfs" if number < 40 else "new")
        (folder / f"gfs.{day}t{hour:02d}z.f000").write_bytes(_gfs(number, int(day), hour))
    return {}


_GLOBE = {
    "Ni": 16,
    "Nj": 8,
    "latitudeOfFirstGridPointInDegrees": 78.75,
    "latitudeOfLastGridPointInDegrees": -78.75,
    "longitudeOfFirstGridPointInDegrees": 0.0,
    "longitudeOfLastGridPointInDegrees": 337.5,
    "iDirectionIncrementInDegrees": 22.5,
    "jDirectionIncrementInDegrees": 22.5,
}


def _gfs(number: int, day: int, hour: int) -> bytes:
    """Return an analysis: what is wanted, and some that is not."""
    common = {"centre": 7, "dataDate": day, "dataTime": 100 * hour, "dataType": "fc", "step": 0}
    drift = 10.0 * np.sin(0.7 * number)

    def one(value: float, **keys: object) -> bytes:
        sample = "regular_ll_pl_grib2"
        return made_grib.message(sample, value + drift, **_GLOBE, **common, **keys)

    aloft = {"typeOfFirstFixedSurface": 100}
    return b"".join(
        [
            one(5500, shortName="gh", level=500, **aloft),
            one(280, shortName="t", level=850, **aloft),
            one(290, shortName="2t"),
            one(101_000, shortName="prmsl", typeOfFirstFixedSurface=101),
            one(285, shortName="t", typeOfFirstFixedSurface=103, level=80),
            one(295, shortName="2t", productDefinitionTemplateNumber=8, stepType="max"),
        ]
    )


def serve_weatherbench2(place: Path, stack: ExitStack) -> More:
    """Serve a small store in the layout of WeatherBench 2, on this machine."""
    from smoecast.data.sources.zarr_stores import weatherbench2

    times = np.arange("2017-01-01", "2021-01-01", 6, dtype="datetime64[h]").astype("datetime64[ns]")
    made = made_zarr.dataset().isel(level=[0, 1]).isel(time=np.arange(len(times)) % 8)
    made = made.assign_coords(time=times)
    rng = np.random.default_rng(0)
    for name in ("u_component_of_wind", "v_component_of_wind"):
        made[name] = made["temperature"].copy(data=rng.normal(size=made["temperature"].shape))
        made[name].attrs = {"units": "m s**-1"}
    swell = xr.DataArray(rng.normal(size=len(times)), {"time": times}, ("time",))
    for name in ("geopotential", "temperature", "2m_temperature"):
        attributes = made[name].attrs
        made[name] = (made[name] + swell).astype(np.float32).assign_attrs(attributes)
    objects = made_zarr.stored(made.astype(np.float32), place.parent / "served", times=20_000)
    files = {f"/{weatherbench2.STORE}/{key}": content for key, content in objects.items()}
    shelf = stack.enter_context(serving(Shelf(files)))
    return {"download": (*LATE, "-s", f"download.url={shelf.address}")}


def await_arrivals(place: Path, stack: ExitStack) -> More:
    """Put a model and a calibration there, five analyses and an ensemble."""
    arrivals.prepare(place)
    (place / "run.yaml").unlink()
    arrivals.bring_analyses(place, *range(5))
    arrivals.bring_ensembles(place, 0)
    return {}


def reach_shared(place: Path, stack: ExitStack) -> More:
    """Have the data that lies beside the repository lie beside the folder, if it is there."""
    (place / "docs/images").mkdir(parents=True)
    if (ROOT.parent / "shared").exists() and not (place.parent / "shared").exists():
        (place.parent / "shared").symlink_to(ROOT.parent / "shared")
    return {}


FEW = ("-s", "evaluate.resamples=20")
LATE = ("-s", "data.years=2017-2020", "-s", "data.split.train=[2017-01-01, 2017-12-31]")
"""Eleven years are many for a test."""
SMALL = ("-s", "network.width=4", "-s", "network.blocks=1")
WORLDS: dict[str, World] = {
    "docs/install.md": World(),
    "docs/first-forecast.md": World(),
    "docs/grib.md": World(finish_a_run),
    "docs/operations.md": World(finish_a_run),
    "docs/plots.md": World(reach_shared, slow=True),
    "docs/training.md": World(finish_a_run, {"train": SHORT}),
    "docs/tutorials/cron.md": World(await_arrivals),
    "docs/tutorials/era5.md": World(
        serve_weatherbench2,
        {
            "preprocess": LATE,
            "train": (*LATE, *SMALL, *SHORT),
            "forecast": (*LATE, *SMALL, "-s", "forecast.init_every_hours=2400"),
            "evaluate": (*LATE, *SMALL, *FEW),
            "plot": (*LATE, *SMALL, "--kind", "maps", "--channel", "t2m"),
        },
    ),
    "docs/tutorials/ens10.md": World(slow=True),
    # from GRIB to a store, to a forecast and to GRIB again, `test_own_files` and `test_formats` go
    "docs/tutorials/grib.md": World(bring_gfs, slow=True),
    "docs/tutorials/layer.md": World(),
    "docs/tutorials/planet.md": World(slow=True),
}
"""By page."""
