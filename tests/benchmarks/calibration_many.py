"""Calibrations of several lead times and numbers of members, compared on the simulated planet.

``python tests/benchmarks/calibration_many.py --folder F`` makes the ensembles (24, 48 and 72 h; six
years of 20 members to fit to, one year of 50 to choose by), fits each row as ``smoecast
postprocess --config planet-calibration`` does it with the settings named here, and scores it on the
year of validation with the first 5, 10, 20 and 50 of its members. What is there is not made again.
``--part test`` scores the same on a year that nothing else has read, and ``--native`` on ensembles
that were made with 5 and 10 members (they are centred on their analysis, as a part of 50 is not).
"""

import json
import os
import time
from pathlib import Path

import cells
import numpy as np
import xarray as xr

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.data import Planet
from smoecast.config.run import Config
from smoecast.data.sources.planet import ensemble
from smoecast.data.sources.planet.source import write_analyses, write_ensembles
from smoecast.disk.atomic import write_atomic
from smoecast.fields.grid import place_of
from smoecast.scores.crps import crps_ensemble, crps_gaussian
from smoecast.scores.ensemble import ensemble_moments
from smoecast.tasks.download import download
from smoecast.tasks.postprocess.calibration import open_calibration
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = "planet-calibration"
CHANNELS = ("z500", "t850", "t2m")
LEADS = (24, 48, 72)
SIZES = (5, 10, 20, 50)
PLANETS = {
    "train": {"start": "2003-01-01", "years": 6.1, "ensemble_years": 6, "members": 20},
    "validation": {"start": "2001-01-01", "years": 1.1, "ensemble_years": 1, "members": 50},
    "test": {"start": "2011-01-01", "years": 1.1, "ensemble_years": 1, "members": 50},
    "native 5": {"start": "2001-01-01", "years": 1.1, "ensemble_years": 1, "members": 5},
    "native 10": {"start": "2001-01-01", "years": 1.1, "ensemble_years": 1, "members": 10},
}
"""Each a planet of its own: from its first day its weather is another."""
SPLIT = "{train: ['2003-01-01', '2009-12-31'], validation: ['2001-01-01', '2002-12-31'], test: 0.0}"
AT = "postprocess.lead_hours="
PLAIN = "postprocess.network.smoe.layers=none"
APART = "postprocess.advanced.lead_statistics=apart"
COUNTS = "postprocess.advanced.member_counts="
ALONE = [f"{AT}[48]", "postprocess.training.epochs=6", PLAIN]
"""One lead time is a third of the samples, and needs more epochs."""
ROWS = {
    "3, 5, 10, 20 members, 48 h": [*ALONE, f"{COUNTS}[3,5,10,20]"],
    "20 members, 48 h": ALONE,
    "three lead times apart": [PLAIN, APART],
    "three lead times together": [PLAIN],
    "5 members, 48 h": [*ALONE, f"{COUNTS}[5]"],
    "10 members, 48 h": [*ALONE, f"{COUNTS}[10]"],
    "SMoE, three lead times apart": [APART],
    "SMoE in two layers, three lead times apart": [
        APART,
        "postprocess.network.smoe.layers=[hidden.8,last]",
    ],
    # as long as SMoE in one layer takes
    "nine epochs, three lead times apart": [PLAIN, APART, "postprocess.training.epochs=9"],
    "three lead times apart, 3, 5, 10, 20 members": [PLAIN, APART, f"{COUNTS}[3,5,10,20]"],
}
"""Networks of a quarter of the width of the zoo's, to be trained in a minute or two."""


def make_planet(folder: Path, part: str) -> list[Path]:
    """Return files of ensembles, made with 72 h too, and their truth beside them."""
    ensemble.LEADS = np.array([0, *LEADS], dtype="timedelta64[h]")
    planet, place = Planet(seed=1, **PLANETS[part]), folder / part.replace(" ", "-")
    write_analyses(place, planet, 24)
    return write_ensembles(place, planet)


def make_data(folder: Path) -> None:
    """Make the stores that every row is fitted to."""
    made = make_planet(folder, "train")
    some = folder / "validation" / "first_20.nc"
    for path in make_planet(folder, "validation"):
        if not some.exists():
            with xr.open_dataset(path) as whole:
                whole.isel(number=slice(20)).to_netcdf(some)
    files = f"postprocess.files={[*map(str, made), str(some)]}"
    for name, leads in ((cells.DATA, LEADS), (f"{cells.DATA}-48", (48,))):
        config = configure(folder, name, 0, [files, f"{AT}{list(leads)}"])
        download(config)
        preprocess(config)


def configure(folder: Path, name: str, seed: int, settings: list[str]) -> Config:
    """Return the config of a row; its truth are files, its constants of a short planet."""
    truth = [str(path) for part in ("train", "validation") for path in truth_of(folder, part)]
    return yaml_file.load(
        zoo.locate(CONFIG, zoo.CONFIG),
        [
            f"folder={folder}",
            f"name={name}",
            f"seed={seed}",
            "data.planet={years: 0.2, seed: 1}",
            "data.split={train: 0.7, validation: 0.1, test: 0.2}",
            "postprocess.source=files",
            "postprocess.files=[unused]",
            f"postprocess.truth={truth}",
            f"postprocess.split={SPLIT}",
            f"{AT}{list(LEADS)}",
            "postprocess.network.width=8",
            "postprocess.training.epochs=4",
            *settings,
        ],
    )


def truth_of(folder: Path, part: str) -> list[Path]:
    """Return the files of a part's analyses."""
    return sorted((folder / part.replace(" ", "-")).glob("planet_20*.nc"))


def fit_row(folder: Path, name: str, seed: int) -> Path:
    """Fit a row, unless that was done; return its folder."""
    place = cells.place_of(folder, name, seed)
    if (place / "fit.json").exists():
        return place
    config = configure(folder, place.name, seed, ROWS[name])
    place.mkdir(parents=True, exist_ok=True)
    alone = config.postprocess.lead_hours == (48,)
    data = f"{cells.DATA}-48" if alone else cells.DATA
    for store in (config.store, config.ensemble_store):
        if not store.exists():
            store.symlink_to(Path("..") / data / store.name)
    before = time.process_time()
    fit(config)
    minutes = (time.process_time() - before) / 60
    size = open_calibration(config.calibration).parameters
    write_atomic(place / "fit.json", json.dumps({"minutes": minutes, "size": size}).encode())
    return place


def score(folder: Path, part: str, calibration: Path | None, size: int) -> dict:
    """Return CRPS and spread over skill by channel and lead time; of the members without one."""
    paths = sorted((folder / part.replace(" ", "-")).glob("planet_ens_*.nc"))
    how = {"data_vars": "minimal", "combine": "nested", "compat": "override", "coords": "minimal"}
    whole = xr.open_mfdataset(paths, concat_dim="init_time", decode_timedelta=True, **how)
    truth = xr.open_mfdataset(truth_of(folder, part), concat_dim="time", **how)
    fitted = None if calibration is None else open_calibration(calibration)
    leads = LEADS if fitted is None else fitted.lead_hours
    some = whole.isel(number=slice(size)).sel(lead_time=[np.timedelta64(h, "h") for h in leads])
    rows = place_of(some["z500"]).weights()
    rows = rows / rows.mean()
    sums = {name: [] for name in ("crps", "variance", "squared")}
    for first in range(0, some.sizes["init_time"], 8):
        block = some.isel(init_time=slice(first, first + 8))
        members = np.stack([block[c].values for c in CHANNELS], axis=3)
        starts = block["init_time"].values
        valid = (starts[:, None] + block["lead_time"].values).ravel()
        true = np.stack([truth[c].sel(time=valid).values for c in CHANNELS], axis=1)
        true = true.reshape(len(starts), len(leads), *true.shape[1:])
        if fitted is None:
            mean, variance, count = ensemble_moments(members, axis=2)
            found = crps_ensemble(true, members, axis=2), variance * (count + 1) / count
        else:
            mean, std = fitted.apply(members, starts, np.array(leads)).moments()
            found = crps_gaussian(true, mean, std), std**2
        for name, values in zip(sums, (*found, (mean - true) ** 2), strict=True):
            sums[name].append((values * rows[:, None]).mean(axis=(3, 4)))
    means = {name: np.concatenate(parts).mean(axis=0) for name, parts in sums.items()}
    ratio = np.sqrt(means["variance"] / means["squared"])
    return {
        f"{channel} {hours} h": {"crps": means["crps"][i, j], "ratio": ratio[i, j]}
        for i, hours in enumerate(leads)
        for j, channel in enumerate(CHANNELS)
    }


def keep_scores(folder: Path, part: str, place: Path | None, size: int) -> dict:
    """Return scores that are kept beside the row."""
    home = folder if place is None else place
    path = home / f"{part.replace(' ', '-')}-{size}.json"
    if not path.exists():
        calibration = None if place is None else place / "calibration"
        write_atomic(path, json.dumps(score(folder, part, calibration, size)).encode())
    return json.loads(path.read_text())


def show(name: str, size: int, scores: list[dict], fits: list[dict]) -> None:
    """Print a line of each lead time: CRPS and spread over skill of each channel."""
    minutes = f"{np.mean([f['minutes'] for f in fits]):.1f}" if fits else "-"
    for hours in LEADS:
        keys = [f"{channel} {hours} h" for channel in CHANNELS]
        if keys[0] not in scores[0]:
            continue
        crps = [
            cells.spread([s[key]["crps"] for s in scores], 2 if "z500" in key else 4)
            for key in keys
        ]
        ratio = [cells.spread([s[key]["ratio"] for s in scores], 3) for key in keys]
        print(f"| {name} | {hours} | {size} | {' | '.join((*crps, *ratio))} | {minutes} |")


def main() -> None:
    """Fill what is asked for, and print it."""
    parser = cells.parser(__doc__.splitlines()[0])
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--native", action="store_true", help="on ensembles of 5 and 10 members")
    parser.add_argument("--data", action="store_true", help="make the data alone")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="members scored with")
    asked = parser.parse_args()
    make_data(asked.folder)
    if asked.data:
        return
    parts = {asked.part: tuple(asked.sizes)}
    if asked.native:
        parts = {f"native {size}": (size,) for size in (5, 10)}
    for part in parts:
        make_planet(asked.folder, part)
    heads = [f"{word} {c}" for word in ("CRPS", "spread/skill") for c in CHANNELS]
    print(f"| fitted to | hours | members | {' | '.join(heads)} | CPU minutes |")
    print("|---" * 10 + "|")
    for part, sizes in parts.items():
        for size in sizes:
            show("raw", size, [keep_scores(asked.folder, part, None, size)], [])
        for name in cells.chosen(ROWS, asked.only):
            places = [fit_row(asked.folder, name, seed) for seed in asked.seeds]
            fits = [json.loads((place / "fit.json").read_text()) for place in places]
            for size in sizes if "members" in name else (20,):
                scores = [keep_scores(asked.folder, part, place, size) for place in places]
                show(name, size, scores, fits)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
