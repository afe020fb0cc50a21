"""`smoecast report`: one page that shows what runs and models are, and compares them."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoecast import run_record
from smoecast.disk.atomic import write_atomic
from smoecast.disk.explain import explain_errors
from smoecast.errors import ConfigError
from smoecast.fields.write.blocks import check_place

NAME = "report.html"


def report(names: Sequence[str], *, output: Path | None = None) -> dict[str, Any]:
    """Write a page about runs and models, which needs nothing but itself.

    The same files give the same page, to the byte.

    Parameters
    ----------
    names : sequence of str
        Folders of runs, configs of runs, folders of models, names in the zoo.
    output : Path, optional
        Default: ``report.html`` here; of a single run, in its folder.

    Returns
    -------
    dict
        ``output``, ``bytes``, ``runs`` (what the page calls them) and ``absent``: sentences on
        what is missing.

    Raises
    ------
    ConfigError
        A name is no run and no model, one is named twice, or matplotlib is not installed.
    InputError
        A run has nothing to show, or one of its files is damaged.
    ModelError
        A model is damaged.
    OutputError
        The page cannot be written.
    LockedError
        A store is being replaced.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("a report draws with matplotlib: pip install 'smoecast[plot]'")
    if output is not None:
        _check_output(output)
    with run_record.stage("imports"):  # matplotlib is an extra, and slow to load
        from smoecast.tasks.report.content import collect  # noqa: PLC0415
        from smoecast.tasks.report.page import render  # noqa: PLC0415
        from smoecast.tasks.report.subjects import find_subjects  # noqa: PLC0415

    subjects = find_subjects(names)
    if output is None:
        single = len(subjects) == 1 and subjects[0].is_run
        output = subjects[0].folder / NAME if single else Path(NAME)
        _check_output(output)
    with run_record.stage("draw"):
        content = collect(subjects)
    text = render(content).encode()
    with run_record.stage("write"), explain_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(output, text)
    run_record.add_output(output)
    absent = [f"{a} {b}{c}" if b else a for part in content["absent"].values() for a, b, c in part]
    labels = [subject.label for subject in subjects]
    return {"output": str(output), "bytes": len(text), "runs": labels, "absent": absent}


def _check_output(output: Path) -> None:
    """Refuse a name that is none of a page, before anything is drawn."""
    if output.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{output}: a report is a page: choose a name that ends in .html")
    check_place(output)
