"""Shuffled samples per second from a store, beside a plain gather from a memory-mapped array.

Run ``python tests/benchmarks/reading.py``. The store has 38 channels on 32 x 64 points; a sample
is three history steps of all channels and three target channels one step ahead, batches of 32 in
random order. The plain gather takes the very same values from one `numpy.memmap` with two fancy
indices and assembles nothing. Blocks of each in turn, on one thread, in the process's CPU time,
which is what counts once the files lie in the page cache (they do: both are read through first).
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.data.inputs import Inputs
from smoecast.data.samples import Samples, load
from smoecast.fields.grid import Grid
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts

CHANNELS, GRID, STEP = 38, (32, 64), np.timedelta64(6, "h")
HISTORY, LEADS, TARGETS, BATCH = (0, 1, 2), (12,), np.array([3, 17, 36]), 32


def make(folder, times, half):
    """Write a store and an array with the same content."""
    shape = (times, CHANNELS, *GRID)
    plain = np.lib.format.open_memmap(folder / "plain.npy", "w+", np.float32, shape)
    for row in range(times):
        plain[row] = np.random.default_rng(row).normal(size=shape[1:])
    plain.flush()
    dims = ("time", "channel", "latitude", "longitude")
    start = np.datetime64("2001-01-01", "ns")
    content = xr.Dataset({"fields": (dims, plain)}, {"time": start + np.arange(times) * STEP})
    if half:
        packing = {"offset": ("channel", np.zeros(38)), "scale": ("channel", np.ones(38))}
        content = content.assign(packing)
    draft = drafts.start_draft(content, folder / "store.zarr", {"identity": "benchmark"})
    for chunk in draft.chunks:
        draft.write(chunk, plain[draft.slice_of(chunk)], {})
    draft.finish(xr.Dataset())
    return np.load(folder / "plain.npy", mmap_mode="r"), content["time"].values


def samples_of(source, times):
    """Samples without constants and clock: what the plain gather has, and the latitude."""
    latitude = 87.1875 - 5.625 * np.arange(32)
    grid = Grid(latitude, 5.625 * np.arange(64))
    inputs = Inputs(tuple(map(str, range(CHANNELS))), (0, 6, 12), False, {}, grid)
    starts = np.arange(HISTORY[-1], len(times) - LEADS[-1])
    return Samples(source, times, starts, inputs, TARGETS, HISTORY, LEADS)


def gather(plain, starts):
    """The same values, taken the plain way."""
    history = plain[starts[:, None] - np.array(HISTORY)]
    ahead = plain[(starts[:, None] + np.array(LEADS))[:, :, None], TARGETS]
    return history, ahead


def main():
    """Time blocks of batches of each kind in turn and print ratios of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3000)
    parser.add_argument("--blocks", type=int, default=15)
    asked = parser.parse_args()
    for half in (False, True):
        with tempfile.TemporaryDirectory() as name:
            plain, times = make(Path(name), asked.times, half)
            rows = store.rows_of(Path(name) / "store.zarr")
            ways = {"store": samples_of(rows, times), "memory": samples_of(load(rows), times)}
            report(plain, ways, asked.blocks, "float16" if half else "float32")


def report(plain, ways, blocks, precision):
    """Print one line a way."""
    rng = np.random.default_rng(0)
    seconds = {name: [] for name in ("plain", *ways)}
    for _ in range(blocks + 1):
        order = rng.integers(0, len(ways["store"]), (8, BATCH))
        for name, taken in seconds.items():
            begin = time.process_time()
            for indices in order:
                if name == "plain":
                    gather(plain, ways["store"].starts[indices])
                else:
                    ways[name].batch(indices)
            taken.append((time.process_time() - begin) / order.size)
    base = statistics.median(seconds["plain"][1:])
    for name, values in seconds.items():
        own = statistics.median(values[1:])
        print(f"{precision} {name}: {1 / own:.0f} samples/s, ratio {base / own:.2f}")


if __name__ == "__main__":
    main()
