"""A small store, made as `preprocess` makes one: three chunks of two rows."""

from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.fields.store import writer as drafts

ROWS, CHUNK = 6, 2 * 2 * 3 * 4 * 4


def make(path: Path) -> Path:
    fields = np.random.default_rng(0).normal(size=(ROWS, 2, 3, 4)).astype("f4")
    times = np.datetime64("2001-01-01", "ns") + np.arange(ROWS) * np.timedelta64(1, "D")
    dataset = xr.Dataset(
        {"fields": (("time", "channel", "latitude", "longitude"), fields)}, {"time": times}
    )
    draft = drafts.start_draft(dataset, path, {"identity": "abc"})
    for chunk in draft.missing_chunks():
        draft.write(chunk, fields[draft.slice_of(chunk)], {})
    draft.finish(xr.Dataset({"mean": ("channel", [0.0, 0.0])}))
    return path
