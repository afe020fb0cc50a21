"""What this process is running, and the record of it in the folder of its results.

One run at a time, from `begin` to `finish`; where nothing was begun (a library call, a worker
process) every other call does nothing. What costs time to load is loaded by `finish`.
"""

import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.disk.atomic import write_atomic
from smoecast.disk.confine import confine
from smoecast.disk.digests import digest, size_of
from smoecast.disk.leftovers import sweep
from smoecast.errors import SmoecastError

SCHEMA = 1
FOLDER = "records"
"""In the folder of the results."""
NAME, START = re.compile(r"(\d{8}T\d{6}Z)_[a-z]+_[0-9a-f]{6}\.json"), "%Y%m%dT%H%M%SZ"
"""Of a record, and of the time at which it began, in it."""
LISTINGS = ("fields/.smoecast.json", "time/.smoecast.json")
"""Files that name the digest of every other file of a store: of `preprocess`, of a result."""


@dataclass
class _Stage:
    """A stage that is open, and the seconds of those that were opened within it."""

    name: str
    wall: float
    cpu: float
    inner_wall: float = 0.0
    inner_cpu: float = 0.0


@dataclass
class _Run:
    """A run under way."""

    verb: str
    start: datetime
    begun: float
    cpu: float
    thread: int
    folder: Path | None = None
    stages: dict[str, list[float]] = field(default_factory=dict)
    open: list[_Stage] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    finished: dict[str, Any] | None = None


_state: dict[str, _Run | None] = {"run": None}


def begin(verb: str, *, since_start: bool = False) -> None:
    """Begin the run of this process; one that was not finished is forgotten.

    Parameters
    ----------
    verb : str
        Of the command line.
    since_start : bool
        Whether all that this process has done so far belongs to it: it is the stage ``start``.
    """
    cpu, now = time.process_time(), time.monotonic()
    run = _Run(verb, datetime.now(UTC), now, cpu, threading.get_ident())
    if since_start:
        from smoecast import process  # noqa: PLC0415

        age = process.age(least=cpu)
        run.begun, run.cpu = now - age, 0.0
        run.stages["start"] = [age, cpu]
    _state["run"] = run


def set_folder(folder: Path) -> None:
    """Say in which folder results will land; the record goes to ``records`` in it.

    The first to say it is right: a verb that calls others says it before they do. A run that fails
    before the folder is there leaves no record: what was mistyped is not made for it.
    """
    run = _current()
    if run is not None and run.folder is None:
        run.folder = _absolute(folder)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the seconds of the block, and those of the CPU, towards a stage of the run.

    A stage may come again. What is spent in a stage within is that one's alone, so that all stages
    together are never more than the run. CPU seconds are those of this process with its threads, of
    no child. In a thread other than that of `begin` nothing is counted: it is already.
    """
    run = _current()
    if run is None or run.thread != threading.get_ident():
        yield
        return
    this = _Stage(name, time.monotonic(), time.process_time())
    run.open.append(this)
    try:
        yield
    finally:
        _close(run, this)


def _close(run: _Run, this: _Stage) -> None:
    """Add the seconds of a stage that ends to its name, and keep them from the one around it."""
    wall, cpu = time.monotonic() - this.wall, time.process_time() - this.cpu
    if this in run.open:
        del run.open[run.open.index(this) :]
    known = run.stages.setdefault(this.name, [0.0, 0.0])
    known[0] += wall - this.inner_wall
    known[1] += cpu - this.inner_cpu
    if run.open:
        run.open[-1].inner_wall += wall
        run.open[-1].inner_cpu += cpu


def add_inputs(manifest: Sequence[Mapping[str, Any]], paths: Sequence[Path] = ()) -> None:
    """Note what is read.

    Parameters
    ----------
    manifest : sequence of mapping
        ``file``, ``bytes``, ``sha256``, as `data.sources.files.manifest` returns them.
    paths : sequence of Path
        Where each of them is, for who looks later; none: that is not known.
    """
    run = _current()
    if run is None:
        return
    places = [{"path": str(_absolute(path))} for path in paths] or [{} for _ in manifest]
    run.inputs += [{**entry, **place} for entry, place in zip(manifest, places, strict=True)]


def add_stores(paths: Iterable[Path]) -> None:
    """Note stores that are read, each by the digest of what lists its files; no chunk is read."""
    run = _current()
    if run is None:
        return
    for path in filter(Path.exists, paths):
        listing = _find_listing(path)
        with suppress(OSError):  # who reads it next says what is wrong with it
            sha256 = digest(path / listing) if listing else None
            place = {"file": path.name, "path": str(_absolute(path))}
            run.inputs.append({**place, "listing": listing, "sha256": sha256})


def add_output(path: Path, *, made: bool = True, sha256: str | None = None) -> None:
    """Note a result that stands in its place.

    Parameters
    ----------
    path : Path
        A file, or a folder such as a Zarr store.
    made : bool
        Whether this run made it; one that was there already is noted without its digest.
    sha256 : str, optional
        Of a file, where it is known; else it is computed.
    """
    run = _current()
    if run is None:
        return
    entry: dict[str, Any] = {"path": str(_absolute(path)), "made": made}
    with suppress(OSError), stage("checksums"):  # who reads it next says what is wrong with it
        entry["bytes"] = size_of(path)
        if sha256 is not None:
            entry["sha256"] = sha256
        elif made:
            listing = _find_listing(path)
            entry["sha256"] = digest(path / listing if listing else path)
            entry |= {"listing": listing} if listing else {}
    run.outputs[entry["path"]] = entry


def note(**values: Any) -> None:
    """Note anything else: JSON values by name; a later value replaces an earlier one."""
    run = _current()
    if run is not None:
        run.notes |= values


def finish(exit_code: int, sentence: str) -> dict[str, Any]:
    """End the run and write its record, where its folder is known; a second call changes nothing.

    That it cannot be written is said, and is no failure of the run.

    Parameters
    ----------
    exit_code : int
    sentence : str
        Of the error; empty where there is none.

    Returns
    -------
    dict
        The record, and ``record``: where it stands, or None. Empty where nothing was begun.
    """
    run = _state["run"]
    if run is None:
        return {}
    if run.finished is None:
        run.finished = _complete(run, exit_code, sentence)
        run.finished["record"] = _write(run, run.finished)
    return run.finished


def _find_listing(path: Path) -> str:
    """Return the name of the file in a store that lists all others; empty where there is none."""
    return next((name for name in LISTINGS if (path / name).is_file()), "")


def _current() -> _Run | None:
    run = _state["run"]
    return None if run is None or run.finished is not None else run


def _complete(run: _Run, exit_code: int, sentence: str) -> dict[str, Any]:
    from smoecast import process  # noqa: PLC0415

    for this in reversed(run.open):  # the run ended within
        _close(run, this)
    return {
        "schema": SCHEMA,
        "verb": run.verb,
        "run": run.notes.get("run", ""),
        "start": _iso(run.start),
        "end": _iso(datetime.now(UTC)),
        "seconds": round(time.monotonic() - run.begun, 4),
        "cpu_seconds": round(time.process_time() - run.cpu, 4),
        "exit_code": exit_code,
        "error": " ".join(sentence.split()) or None,
        "stages": {
            name: {"seconds": round(wall, 4), "cpu_seconds": round(cpu, 4)}
            for name, (wall, cpu) in run.stages.items()
        },
        **process.memory(),
        "inputs": _to_plain(run.inputs),
        "outputs": _to_plain(list(run.outputs.values())),
        "notes": _to_plain({key: value for key, value in run.notes.items() if key != "run"}),
        "results": str(run.folder or ""),
        **process.describe(),
    }


def _write(run: _Run, record: Mapping[str, Any]) -> str | None:
    """Write a record under a name of its own; None where there is no folder or no room."""
    import json  # noqa: PLC0415
    import secrets  # noqa: PLC0415

    if run.folder is None or (record["exit_code"] and not run.folder.is_dir()):
        return None
    name = f"{run.start:{START}}_{run.verb}_{secrets.token_hex(3)}.json"
    folder = run.folder / FOLDER
    try:
        path = confine(run.folder, f"{FOLDER}/{name}")
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        write_atomic(path, (json.dumps(record, indent=1) + "\n").encode())
    except (OSError, SmoecastError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        words = f"{folder}: the record of this run cannot be written ({reason}): make room there"
        # a run that failed has said its one sentence, most likely of the same disk
        (console.say if record["exit_code"] else console.warn)(words)
        return None
    return str(path)


def _absolute(path: Path) -> Path:
    with suppress(OSError):  # where the working folder was removed, nothing is said of it
        return path.absolute()
    return path


def _iso(time_: datetime) -> str:
    return f"{time_:%Y-%m-%dT%H:%M:%S}.{time_.microsecond // 1000:03d}Z"


def _to_plain(value: Any) -> Any:
    """Return a value as JSON has it; what is not finite is null."""
    if isinstance(value, Mapping):
        return {str(key): _to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_to_plain(inner) for inner in value]
    if hasattr(value, "item"):  # a number of NumPy
        value = value.item()
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
