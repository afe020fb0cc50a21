"""`smoecast bench`: how fast smoecast is on this machine, beside what one would take instead."""

import importlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.disk.atomic import write_atomic
from smoecast.errors import ConfigError
from smoecast.tasks.bench.measuring import machine, peers
from smoecast.tasks.bench.measuring.case import Case, Setting
from smoecast.tasks.bench.measuring.measure import ask, measure

CASES = (
    "layer",
    "train",
    "forecast",
    "preprocess",
    "regrid",
    "grib",
    "crps",
    "emos",
    "calibrate",
    "download",
)
"""Modules of this folder, in the order of `all`."""
ALL = "all"


def bench(
    names: Sequence[str],
    *,
    rounds: int | None = None,
    threads: int = 1,
    quick: bool = False,
    device: str = "auto",
    dtype: str = "auto",
    output: Path | None = None,
) -> dict[str, Any]:
    """Measure cases on this machine; their data is made, and removed afterwards.

    Parameters
    ----------
    names : sequence of str
        Of `CASES`; none, or ``all``: all of them.
    rounds : int, optional
        How often every task is done; default: as each case needs it.
    threads : int
        Of every process that is measured; 0: as many as each takes by itself.
    quick : bool
        Tiny data and one round: to see that all of it works, not to measure.
    device : str
        What networks run on: auto, cpu or cuda.
    dtype : str
        What networks compute in: auto is float32 on a CPU, bfloat16 on a GPU.
    output : Path, optional
        File for the result, as JSON.

    Returns
    -------
    dict
        ``machine``, and ``tasks``: see `measure`.

    Raises
    ------
    ConfigError
        There is no such case, or no such device.
    WorkerError
        Something of smoecast's failed while it was measured.
    """
    cases = {name: find_case(name) for name in _choose(names)}
    with _place() as place:
        setting = Setting(place, quick, threads)
        gpu = ""
        if any(case.uses_torch for case in cases.values()):
            setting, gpu = _choose_device(setting, device, dtype)
        told = {**machine.describe(threads), "device": setting.device, "gpu": gpu}
        told["dtype"], found = setting.dtype, list[dict[str, Any]]()
        needed = set[str]()
        for name, case in cases.items():
            count = 1 if quick and rounds is None else rounds or case.rounds
            for task in _measure_case(name, case, setting, count, needed):
                found.append({"case": name, **task, "rounds": count})
        told["peers"] = peers.versions(needed)
    summary = {"machine": told, "quick": quick, "tasks": found}
    if output:
        write_atomic(output, json.dumps(summary, indent=1).encode())
    return {**summary, "output": str(output) if output else None}


def find_case(name: str) -> Case:
    """Return what is measured under a name."""
    case: Case = importlib.import_module(module_of(name)).CASE
    return case


def module_of(name: str) -> str:
    """Return the module that describes a case."""
    return f"smoecast.tasks.bench.{name}"


def _choose(names: Sequence[str]) -> list[str]:
    """Return the cases that were named, in their order; all of them where none was."""
    for name in names:
        if name not in (*CASES, ALL):
            raise ConfigError(f"there is no benchmark {name!r}: use {' '.join(CASES)} or {ALL}")
    return [name for name in CASES if not names or ALL in names or name in names]


def _choose_device(setting: Setting, device: str, dtype: str) -> tuple[Setting, str]:
    """Return the setting with what networks run on, and what GPU that is."""
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"--device is auto, cpu or cuda, not {device!r}")
    if dtype not in ("auto", "float32", "bfloat16", "float16"):
        raise ConfigError(f"--dtype is auto, float32, bfloat16 or float16, not {dtype!r}")
    gpu = ""
    if device == "auto" and not machine.has_gpu():
        device = "cpu"
    if device != "cpu":
        answer = ask("device", replace(setting, device=device))
        device, gpu = answer["device"], answer["gpu"]
    if not device:
        raise ConfigError("--device cuda: torch finds no GPU here; use --device cpu")
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    return replace(setting, device=device, dtype=dtype), gpu


def _measure_case(
    name: str, case: Case, setting: Setting, rounds: int, needed: set[str]
) -> Iterator[dict[str, Any]]:
    """Make the data of a case and measure its tasks, one after the other."""
    folder = setting.folder / name
    folder.mkdir()
    setting = replace(setting, folder=folder)
    tasks = case.tasks(setting)
    needed |= {way.needs for task in tasks.values() for way in task.ways.values()}
    console.say(f"bench {name}: {case.about}")
    if case.make_data:
        ask("make data", setting, module=module_of(name))
    with case.around(setting):
        for title, task in tasks.items():
            console.say(f"bench {name}: {title}")
            yield measure(module_of(name), title, task, setting, rounds)


@contextmanager
def _place() -> Iterator[Path]:
    """Give a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="smoecast-bench-") as place:
        yield Path(place).resolve()
