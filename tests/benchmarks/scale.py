"""Preprocessing an archive larger than memory: memory, throughput, workers, a kill in the middle.

Run ``python tests/benchmarks/scale.py --gigabytes 20 --folder FOLDER``. It makes an archive of
NetCDF files there (4 variables at 1 degree, 6-hourly, one file a year and variable, uncompressed),
and has `smoecast preprocess` regrid it to 5.625 degrees (conservative): one worker on half of the
archive and on all of it, two workers, and one worker killed half-way and started again. Before
each, the system's page cache is dropped where that is allowed. The time is set against a plain
sequential read of the same files, the memory is the peak resident size of each process. A second
store without regridding, of a tenth of the archive, shows the cost of reading and writing alone.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

LATITUDE, LONGITUDE = np.arange(90.0, -91, -1), np.arange(360.0)
VARIABLES = {"z500": "m2 s-2", "t850": "K", "t2m": "K", "u850": "m s-1"}
TIMES = 1460
GB = 1e9


def make(folder, gigabytes):
    """Write the archive; what is there already stays."""
    each = TIMES * len(LATITUDE) * len(LONGITUDE) * 4
    years = round(gigabytes * GB / each / len(VARIABLES))
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(73, len(LATITUDE), len(LONGITUDE))).astype(np.float32)
    start = np.datetime64("2001-01-01T00", "ns")
    for year in range(years):
        hours = (year * TIMES + np.arange(TIMES)) * np.timedelta64(6, "h")
        for name, units in VARIABLES.items():
            path = folder / f"{name}_{year:02d}.nc"
            if path.exists():
                continue
            values = np.concatenate([patterns + np.float32(i + year) for i in range(20)])
            field = (("time", "latitude", "longitude"), values, {"units": units})
            place = {"latitude": LATITUDE, "longitude": LONGITUDE}
            part = path.with_suffix(".part")
            xr.Dataset({name: field}, {"time": start + hours, **place}).to_netcdf(part)
            part.rename(path)
    return sorted(folder.glob("*.nc"))


def drop_caches():
    """Have the next read come from the disk, where the system lets us."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def read_through(paths):
    """Seconds to read the files from first to last byte."""
    drop_caches()
    begin = time.perf_counter()
    for path in paths:
        with path.open("rb") as file:
            while file.read(2**24):
                pass
    return time.perf_counter() - begin


def config_of(place, archive, years, workers=1, grid="5.625"):
    """Write the config of a run."""
    names = [f"{archive}/*_{year:02d}.nc" for year in years]
    data = {
        "source": "files",
        "files": names,
        "channels": list(VARIABLES),
        "grid": grid,
        "regrid": "conservative",
    }
    run = {
        "name": "run",
        "folder": str(place),
        "data": data,
        "postprocess": {"source": "files", "targets": ["t2m"]},
        "compute": {"workers": workers},
    }
    place.mkdir(parents=True, exist_ok=True)
    path = place / "run.yaml"
    path.write_text(yaml.safe_dump(run))
    return path


def descendants(pid):
    """Process ids below one, itself included."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                queue += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def peak(pid):
    """Peak resident megabytes of one process so far."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM")]
    return float(lines[0].split()[1]) / 1000 if lines else 0.0


def preprocess(config, kill_at=None):
    """Run the command; return seconds, peak megabytes of the largest process, exit status."""
    drop_caches()
    notes = config.parent / "run" / ".store.zarr.draft" / "notes"
    begin, largest = time.perf_counter(), 0.0
    command = [Path(sys.executable).with_name("smoecast"), "preprocess", "-q", "-c", str(config)]
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None:
        largest = max([largest, *(peak(pid) for pid in descendants(process.pid))])
        if kill_at and len(list(notes.glob("*.json"))) >= kill_at:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.1)
    return time.perf_counter() - begin, largest, process.returncode


def digest(store):
    """One sha256 over every file of a store."""
    whole = hashlib.sha256()
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        whole.update(str(path.relative_to(store)).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def main():
    """Make the archive, run every case, print one JSON line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    paths = make(asked.folder / "archive", asked.gigabytes)
    total = sum(path.stat().st_size for path in paths)
    years = range(len(paths) // len(VARIABLES))
    plain = read_through(paths)
    cold = drop_caches()
    print(json.dumps({"archive_gb": total / GB, "plain_read_s": plain, "cold": cold}), flush=True)
    cases = {
        "one worker, half": ("half", years[: len(years) // 2], 1, "5.625"),
        "one worker": ("one", years, 1, "5.625"),
        "two workers": ("two", years, 2, "5.625"),
        "not regridded, a tenth": ("same", years[: max(1, len(years) // 10)], 1, ""),
    }
    digests = {}
    for title, (name, some, workers, grid) in cases.items():
        place = asked.folder / name
        shutil.rmtree(place, ignore_errors=True)
        config = config_of(place, asked.folder / "archive", some, workers, grid)
        seconds, memory, status = preprocess(config)
        if status:
            sys.exit(f"{title}: preprocess ended with {status}")
        digests[name] = digest(place / "run" / "store.zarr")
        share = len(some) / len(years)
        print(json.dumps(row(title, seconds, memory, status, plain * share)), flush=True)
    place = asked.folder / "killed"
    shutil.rmtree(place, ignore_errors=True)
    config = config_of(place, asked.folder / "archive", years)
    chunks = -(-len(years) * TIMES // (32_000_000 // (4 * len(VARIABLES) * 32 * 64)))
    killed, _, status = preprocess(config, kill_at=chunks // 2)
    resumed, memory, _ = preprocess(config)
    same = digest(place / "run" / "store.zarr") == digests["one"] == digests["two"]
    print(
        json.dumps(
            {
                "killed_after_s": killed,
                "status": status,
                "resumed_s": resumed,
                "peak_mb": memory,
                "same_bytes_as_one_and_two_workers": same,
            }
        )
    )


def row(title, seconds, memory, status, plain):
    """One case as a row."""
    ratio = round(plain / seconds, 3)
    whole = {"case": title, "seconds": round(seconds, 1), "peak_mb": round(memory)}
    return {**whole, "status": status, "throughput_over_plain_read": ratio}


if __name__ == "__main__":
    main()
