"""Source `opendata` of ensembles: the newest ENS of ECMWF's real-time open data.

Stream enfo, 0.25 degrees, GRIB, one file a lead time: 50 perturbed members, and the control where
the file has it. Since IFS cycle 50r1 (12 May 2026) the control is the high-resolution run and no
longer stands in these files. Of AIFS-ENS (`postprocess.opendata.model`) control and members come
in two files a lead time.
"""

from dataclasses import replace
from functools import partial

from smoecast.data.download.remote_file import About, Offer, RemoteFile
from smoecast.data.sources.open import open_ensembles
from smoecast.data.sources.opendata import fetched, runs
from smoecast.data.sources.opendata.analyses import (
    ACCUMULATED,
    LEVELS_OF,
    LICENCE,
    SHAPE,
    SINGLE,
    STEP_HOURS,
    make_hooks,
)
from smoecast.data.sources.opendata.runs import FileRequest, Request
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import EnsemblesRequest, size_ensembles
from smoecast.errors import ConfigError

ABOUT = About(
    name="opendata",
    what="ECMWF real-time open data: the newest ENS or AIFS-ENS, 0.25 degrees, to 15 days ahead",
    size="about 30 MB a field and lead time",
    licence=LICENCE,
    needs="pip install smoecast[download]; postprocess.source: opendata",
)
_OFFER = Offer("opendata", LEVELS_OF, (*SINGLE, *ACCUMULATED), key="postprocess.channels")
MEMBERS = 51
STEPS = (*range(0, 145, 3), *range(150, 361, 6))
AIFS_STEPS = range(0, 361, 6)


def list_files(asked: EnsemblesRequest) -> list[RemoteFile]:
    """Return the files of the newest ensemble, or an estimate of them before `discover`.

    Raises
    ------
    ConfigError
        A channel or a lead time is not in this data.
    InputError
        The newest run lacks a channel, or a member of it.
    """
    return runs.remotes(_request_of(asked), asked.folder, MEMBERS)


def _request_of(asked: EnsemblesRequest) -> Request:
    wanted = asked.wanted
    for name in wanted.channels:
        _OFFER.channel(name)
    model = wanted.opendata.model
    has = AIFS_STEPS if model == "aifs-ens" else STEPS
    odd = [hours for hours in wanted.lead_hours if hours not in has]
    if odd:
        often = "every 3 h up to 144 and " if model == "ifs" else ""
        raise ConfigError(
            f"postprocess.lead_hours names {odd[0]}, but source opendata has {often}every 6 h up "
            f"to 360 of {model}"
        )
    sums = [name for name in wanted.channels if name in ACCUMULATED]
    if sums and 0 in wanted.lead_hours:
        raise ConfigError(
            f"postprocess.lead_hours names 0, when {sums[0]} has not begun: leave it out"
        )
    kinds = ("cf", "pf") if model == "aifs-ens" else ("ef",)
    wants = tuple(
        FileRequest("enfo", kind, hours, model=model)
        for hours in dict.fromkeys(wanted.lead_hours)
        for kind in kinds
    )
    url, mirrors = runs.sites(asked.download.url)
    return Request(url, wants, wanted.channels, STEP_HOURS, mirrors)


SOURCE = replace(
    remote_source(
        ABOUT,
        list_files,
        lambda asked: make_hooks(_request_of(asked), asked.folder),
        partial(open_ensembles, licence=LICENCE),
        lambda asked: size_ensembles(asked, SHAPE, 1, MEMBERS),
    ),
    newest=lambda asked: runs.newest_start(_request_of(asked), asked.folder),
    remove_old=lambda asked, found, keep: fetched.remove_old(asked.folder, found, keep),
)
