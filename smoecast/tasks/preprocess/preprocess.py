"""`smoecast preprocess`: raw files to one canonical store and its statistics."""

import hashlib
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr

from smoecast import console, run_record
from smoecast.config.run import Compute, Config
from smoecast.data import raw, statistics, time_selection
from smoecast.data.sources import files
from smoecast.data.sources.registry import requests_of, source_of
from smoecast.data.sources.source import Request
from smoecast.data.unchanged import ChangedError, Inputs, hold_inputs
from smoecast.disk.explain import explain_errors
from smoecast.disk.locks import lock
from smoecast.errors import InputError
from smoecast.fields.left_out import from_attribute
from smoecast.fields.missing import check_finite
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts
from smoecast.fields.times import iso
from smoecast.run_record import stage
from smoecast.tasks.fan_out.spread import spread

_SCALE_TIMES = 64


def preprocess(config: Config, *, verify: bool = False) -> dict[str, Any]:
    """Make the stores of a run: analyses, and ensemble forecasts where the run has them.

    A run that was killed goes on with the chunks that are missing; the store is the same to the
    byte however often it was killed and however many workers made it. One that is there is compared
    with its checksums, and made again if it is damaged.

    Parameters
    ----------
    config : Config
        The run.
    verify : bool
        Whether all of a store that is there is read and compared, not only some chunks.

    Returns
    -------
    dict
        For each store its path, size, split, whether it was written, and what of the raw files
        is not read (`fields.left_out.to_plain`).

    Raises
    ------
    InputError
        A raw file is missing, damaged or incomplete, or has no channel of that name.
    OutputError
        The store could not be written, or a raw file changed meanwhile.
    LockedError
        Another process preprocesses the same run, or reads the store that is to be replaced.
    """
    run_record.set_folder(config.data_place)
    return {asked.kind: _make(asked, config.compute, verify) for asked in requests_of(config)}


def _make(asked: Request, compute: Compute, verify: bool) -> dict[str, Any]:
    """Make one store, or go on with it, or find it done."""
    path, place = asked.store, asked.store.parent
    with lock(place):
        paths, memory = source_of(asked).find(asked), place / files.DIGESTS
        try:
            with ExitStack() as held:
                with stage("inputs"):
                    inputs = held.enter_context(hold_inputs(paths, memory=memory))
                    run_record.add_inputs(inputs.manifest, paths)
                    details = _details(asked, inputs.manifest)
                with stage("look at what is there"):
                    done = _is_done(path, details, verify)
                if not done:
                    _write(asked, compute, details, inputs)
        except ChangedError:
            drafts.discard(path)  # nobody knows which of its parts are of which version
            raise
        drafts.discard(path)  # a run may have been killed between its last two steps
        run_record.add_output(path, made=not done)
        return _describe(asked, written=not done)


def _write(asked: Request, compute: Compute, details: dict[str, Any], inputs: Inputs) -> None:
    """Make one store, or go on with it."""
    with stage("open"):
        content = raw.content(asked, details["identity"])
        template = _with_scale(content) if asked.is_half else content
        draft = drafts.start_draft(template, asked.store, details)
        missing = draft.missing_chunks()
    if len(missing) < len(draft.chunks):
        done = len(draft.chunks) - len(missing)
        console.say(f"{done} of {len(draft.chunks)} parts are there already")
    try:
        progress = console.progress(f"preprocessing {asked.kind}", max(len(missing), 1))
        work = spread(partial(fill, asked, draft), missing, compute)
        with stage("chunks"), progress as step, work as outcomes:
            for count, outcome in enumerate(outcomes, start=1):
                outcome.get()
                step(count)
    except InputError:
        drafts.discard(asked.store)  # with other input it is another store
        raise
    with stage("finish"):
        inputs.confirm()
        draft.finish(_statistics(content, draft))


def _statistics(content: xr.Dataset, draft: drafts.Draft) -> xr.Dataset:
    """Return mean and spread of the training times; nothing where the store has none."""
    if not content["train"].values.any():
        return xr.Dataset()
    mean, std = statistics.merge_moments(draft.notes())
    return xr.Dataset({"mean": ("channel", mean), "std": ("channel", std)})


def fill(asked: Request, draft: drafts.Draft, chunk: int) -> None:
    """Make one chunk of a store: the work of one worker.

    Raises
    ------
    InputError
        A value is missing; the message names channel, time and files.
    OutputError
        The disk is full or refuses.
    """
    content = raw.content(asked, draft.identity)
    rows = draft.slice_of(chunk)
    along = content["fields"].dims[0]
    # one thread: the blocks come from netCDF-C, which crashes under threads
    with dask.config.set(scheduler="synchronous"):
        block = content["fields"].isel({along: rows}).compute()
    paths, gaps = source_of(asked).find(asked), asked.kind == "ensembles"
    check_finite(block, paths, gaps, series=content["fields"])
    training = content["train"].values[rows]
    draft.write(chunk, block.values, statistics.moments(block.values[training]))


def _with_scale(content: xr.Dataset) -> xr.Dataset:
    """Return the content with the scale of a store of half precision, taken from its first fields.

    Any scale of about the right size will do: it only keeps float16 from overflowing. Without
    training times it is that of the first of all.
    """
    training = content["train"].values
    chosen = np.flatnonzero(training if training.any() else ~training)[:_SCALE_TIMES]
    with dask.config.set(scheduler="synchronous"):
        values = content["fields"].isel(time=chosen).values
    mean, std = statistics.merge_moments([statistics.moments(values)])
    packing = {"offset": mean.astype(np.float32), "scale": std.astype(np.float32)}
    return content.assign({name: ("channel", value) for name, value in packing.items()})


def _details(asked: Request, manifest: list[dict[str, Any]]) -> dict[str, Any]:
    made_from = {**asked.decisive(), "manifest": manifest}
    text = json.dumps(made_from, sort_keys=True)
    return {**made_from, "identity": hashlib.sha256(text.encode()).hexdigest()}


def _is_done(path: Path, details: dict[str, Any], whole: bool) -> bool:
    """Whether the store stands, is of this identity and undamaged; otherwise it is made again.

    One that an earlier version made gets its checksums, so that nothing has to be made again.
    """
    if not path.exists():
        return False
    try:
        with store.open_store(path) as dataset:
            if store.details_of(dataset).get("identity") != details["identity"]:
                return False
        if store.sums_of(path) is None:
            store.verify_store(path, whole=False)
            with explain_errors(path):
                store.add_checksums(path)
            console.say(f"{path}: an earlier version made it; it has checksums from now on")
        else:
            store.verify_store(path, whole=whole)
    except InputError as problem:
        console.say(f"{str(problem).partition('; delete')[0]}: the store is made again")
        return False
    return True


def _describe(asked: Request, *, written: bool) -> dict[str, Any]:
    with store.open_store(asked.store) as dataset:
        fields = dataset["fields"]
        times = dataset[str(fields.dims[0])].values
        if asked.kind == "analyses":
            run_record.note(newest_analysis=iso(times[-1]))
        return {
            "store": str(asked.store),
            "written": written,
            "first": np.datetime_as_string(times[0], unit="h"),
            "last": np.datetime_as_string(times[-1], unit="h"),
            "shape": dict(zip(map(str, fields.dims), fields.shape, strict=True)),
            "left_out": from_attribute(dataset.attrs),
            "split": {part: int(dataset[part].values.sum()) for part in time_selection.PARTS},
        }
