"""`smoecast inspect`: what is in files, what smoecast reads of them, and what it refuses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from smoecast.data.sources.files import expand
from smoecast.disk.atomic import resolve
from smoecast.disk.digests import size_of
from smoecast.errors import AbsentError, InputError
from smoecast.fields.channels import has_field
from smoecast.fields.left_out import from_attribute, left_out_of, to_plain
from smoecast.fields.missing import name_files
from smoecast.fields.read.join import join
from smoecast.fields.read.results import read_attributes
from smoecast.tasks.inspect import values
from smoecast.tasks.inspect.contents import Contents, axes_of, channels_in, look, objections
from smoecast.tasks.inspect.headers import Header

Opened = list[tuple[Path, xr.Dataset]]


def inspect(patterns: Sequence[str], *, read_values: bool = False) -> dict[str, Any]:
    """Say what is in files: by their headers alone, unless their fields are small or asked for.

    Parameters
    ----------
    patterns : sequence of str
        Files, folders, globs and Zarr groups.
    read_values : bool
        Whether fields are read, for missing values and extremes, that are not cheap to read.

    Returns
    -------
    dict
        ``files``, see `describe`; ``together``, None for a single readable file, else what all of
        them make as one data set: the keys of `contents.axes_of`, ``files``, ``channels``,
        ``constants``, ``notes``, and ``problem`` where they do not fit together; ``exit_code``, 3
        if a file is refused.
    """
    found: list[dict[str, Any]] = []
    opened: Opened = []
    cheap = values.CHEAP
    for pattern in patterns:
        try:
            paths = find(pattern)
        except InputError as error:
            found.append(describe(Contents(Path(pattern), "", [], None, str(error), ""), False))
            continue
        for path in paths:
            contents = look(path)
            held = contents.dataset.nbytes if contents.dataset is not None else 0
            found.append(describe(contents, read_values or held <= cheap))
            if contents.dataset is not None:
                cheap -= held
                opened.append((contents.place, contents.dataset))
    return {
        "files": found,
        "together": _put_together(opened) if len(opened) > 1 else None,
        "exit_code": InputError.exit_code if any(one["problem"] for one in found) else 0,
    }


def find(pattern: str) -> list[Path]:
    """Return the files that a path, folder or glob names; of a Zarr group what stands for it.

    Raises
    ------
    AbsentError
        It names none.
    InputError
        It is a Zarr group of two versions at once.
    """
    try:
        return expand([pattern], "the path")
    except AbsentError:
        if resolve(pattern).is_dir():
            words = "the folder holds no GRIB and no NetCDF file: name files, or a Zarr group"
            raise AbsentError(f"{pattern}: {words}") from None
        raise


def open_channel(patterns: Sequence[str], channel: str) -> tuple[xr.Dataset, str]:
    """Return the first file that has a channel, and its name; else the first that can be read.

    Raises
    ------
    InputError
        None can be read: what is wrong with the first.
    """
    readable: list[tuple[xr.Dataset, str]] = []
    problems = []
    for path in (path for pattern in patterns for path in find(pattern)):
        contents = look(path)
        if contents.dataset is None:
            problems.append(contents.problem)
            continue
        readable.append((contents.dataset, str(contents.place)))
        if has_field(contents.dataset, channel):
            return readable[-1]
    if not readable:
        raise InputError(problems[0])
    return readable[0]


def describe(contents: Contents, read_values: bool) -> dict[str, Any]:
    """Return what a file holds, as JSON has it.

    Parameters
    ----------
    contents : Contents
    read_values : bool
        Whether its fields are read.

    Returns
    -------
    dict
        ``file``, ``format``, ``bytes``, ``made_by``, ``problem`` (why it is refused, empty where it
        is not), the keys of `contents.axes_of`, ``variables``, ``channels``, ``constants``,
        ``left_out``, ``left_out_before`` (of a store or result: when it was made), ``notes`` (what
        would refuse it elsewhere) and ``values_read``. A variable has ``name`` (ours, empty where
        there is none), ``in_file``, ``long_name``, ``level``, ``step``, ``units``,
        ``converted_to``, ``fields``, ``read``, ``reason`` (why not), ``absent`` (fields that other
        variables have), ``missing``, ``lowest`` and ``highest`` (values, in SI units; None where
        they were not read).
    """
    dataset, problem = contents.dataset, contents.problem
    wanted = dataset is not None and read_values
    try:
        rows = [_describe_variable(h, contents, wanted) for h in contents.headers]
    except InputError as error:  # damaged behind its headers
        problem, wanted = str(error), False
        rows = [_describe_variable(h, contents, False) for h in contents.headers]
    names, constants = channels_in(dataset)
    place = contents.place
    return {
        "file": str(place),
        "format": contents.format,
        "bytes": size_of(place) if place.exists() else 0,
        "made_by": contents.made_by,
        "problem": problem,
        **axes_of(dataset),
        "variables": rows,
        "channels": names,
        "constants": constants,
        "left_out": to_plain(contents.left_out),
        "left_out_before": from_attribute(read_attributes(place)) if contents.made_by else [],
        "notes": [*_say_gaps(rows), *(objections(dataset, str(place)) if dataset else [])],
        "values_read": wanted,
    }


def _describe_variable(header: Header, contents: Contents, wanted: bool) -> dict[str, Any]:
    left = header.find_left_out(contents.left_out)
    dataset = contents.dataset
    read = dataset is not None and bool(header.ours) and left is None
    counted: dict[str, Any] = {"absent": 0, "missing": None, "lowest": None, "highest": None}
    if read and dataset is not None:
        counted["absent"] = max(0, values.count_fields(dataset, header.ours) - header.fields)
        if wanted:
            counted |= values.summarize(dataset, header.ours, counted["absent"])
    return {
        "name": header.ours if read or dataset is None else "",
        "in_file": header.name,
        "long_name": header.long_name,
        "level": header.level,
        "step": header.step,
        "units": header.units,
        "converted_to": header.find_si_unit() if read or dataset is None else "",
        "fields": header.fields,
        "read": read,
        "reason": left.reason if left else "",
        **counted,
    }


def _say_gaps(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what would be said of missing values and of fields that are not there."""
    told = {
        "missing": "missing values are refused where they are asked for: leave the channel or the "
        "time out, or fill them",
        "absent": "only at some of the lead times: ask for these alone (postprocess.lead_hours), "
        "or leave the channel out",
    }
    names = {key: [row["name"] for row in rows if row[key]] for key in told}
    return [f"{', '.join(names[key])}: {words}" for key, words in told.items() if names[key]]


def _put_together(opened: Opened) -> dict[str, Any]:
    """Return what several files make as one data set, or why they make none."""
    paths = [path for path, _ in opened]
    try:
        dataset, problem = join(opened), ""
    except InputError as error:
        dataset, problem = None, str(error)
    names, constants = channels_in(dataset)
    return {
        "files": len(opened),
        "problem": problem,
        **axes_of(dataset),
        "channels": names,
        "constants": constants,
        "left_out": to_plain(left_out_of(dataset)) if dataset is not None else [],
        "notes": objections(dataset, name_files(paths)) if dataset is not None else [],
    }
