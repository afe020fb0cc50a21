"""Source `opendata`: the newest analysis of ECMWF's real-time open data, for forecasts of today.

Step 0 of the high-resolution run (stream oper), 0.25 degrees, GRIB, of the newest start that is
published, and of the starts before it that a sample's history needs.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from smoecast.data.download.collect import Hooks, today
from smoecast.data.download.remote_file import About, Offer, RemoteFile
from smoecast.data.sources.open import open_analyses
from smoecast.data.sources.opendata import fetched, runs
from smoecast.data.sources.opendata.runs import FileRequest, Request
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import AnalysesRequest, size_analyses
from smoecast.errors import ConfigError, InputError
from smoecast.fields.read.grib.index import index

LICENCE = "CC BY 4.0; (C) ECMWF, https://www.ecmwf.int: name ECMWF as the source"
ABOUT = About(
    name="opendata",
    what="ECMWF real-time open data: the newest analysis, 0.25 degrees, every 6 hours",
    size="about 0.6 MB a field",
    licence=LICENCE,
    needs="pip install smoecast[download]",
    truth="ECMWF open data, analyses",
)
STEP_HOURS = 6
SHAPE = (721, 1440)
LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
LEVELS_OF = dict.fromkeys(("z", "t", "u", "v", "q", "r", "w"), LEVELS)
SINGLE = ("t2m", "d2m", "u10", "v10", "msl", "sp", "skt", "tcc", "tcwv")
ACCUMULATED = ("tp", "ssrd", "strd")
"""From the start on, so not there at step 0."""
_OFFER = Offer("opendata", LEVELS_OF, (*SINGLE, "orography", "lsm"))


def list_files(asked: AnalysesRequest) -> list[RemoteFile]:
    """Return the files of the newest analysis, or an estimate of them before `discover`.

    Raises
    ------
    ConfigError
        A channel or a spacing in time is not in this data.
    InputError
        The newest run lacks a channel.
    """
    return runs.remotes(_request_of(asked), asked.folder, 1)


def _request_of(asked: AnalysesRequest) -> Request:
    step = asked.wanted.step_hours
    if step % STEP_HOURS or 24 % step:
        raise ConfigError(
            f"data.step_hours = {step}, but source opendata has an analysis every {STEP_HOURS} h: "
            "take 6, 12 or 24"
        )
    channels = (*asked.wanted.channels, *asked.wanted.constants)
    for name in channels:
        _OFFER.channel(name)
    hours = range(0, max(asked.history_hours) + 1, step)
    wants = tuple(FileRequest("oper", "fc", 0, before) for before in hours)
    url, mirrors = runs.sites(asked.download.url)
    return Request(url, wants, channels, step, mirrors)


def make_hooks(request: Request, folder: Path) -> Hooks:
    """Return what is done around a fetch: look for the newest run before, count messages after."""
    return Hooks(
        discover=partial(runs.discover, request),
        locate=lambda remote, patience: [runs.later(remote, today())],
        inspect=lambda path, remote: _inspect(path, remote, request, folder),
    )


def _inspect(path: Path, remote: RemoteFile, request: Request, folder: Path) -> dict[str, Any]:
    """Walk the messages: those that the index promised, and no others.

    Raises
    ------
    InputError
        A message is broken, missing, or another one; the index is not trusted any more.
    """
    try:
        messages, others = index(path)
        found = {(m.channel, m.member) for m in messages}
        if (
            others
            or len(found) != len(remote.pieces)
            or {c for c, _ in found} != set(request.channels)
        ):
            raise InputError(
                f"{remote.name}: {len(found)} of {len(remote.pieces)} messages that came are those "
                "that the index promised: run again"
            )
    except InputError:
        runs.discard_index(folder, request)
        raise
    start = min(m.init_time for m in messages)
    members = len({m.member for m in messages})
    return {"licence": LICENCE, "start": f"{start}", "members": members, "fields": len(messages)}


SOURCE = replace(
    remote_source(
        ABOUT,
        list_files,
        lambda asked: make_hooks(_request_of(asked), asked.folder),
        open_analyses,
        lambda asked: size_analyses(asked, SHAPE, len(asked.history_hours)),
    ),
    newest=lambda asked: runs.newest_start(_request_of(asked), asked.folder),
    find_all=lambda asked, found: fetched.find_all(asked.folder, found),
    remove_old=lambda asked, found, keep: fetched.remove_old(asked.folder, found, keep),
)
