"""Public Zarr stores: which chunks hold the channels of a run, and the source that fetches them.

What is kept is a part of the store, still a Zarr group (`zarr_subset`): every object is fetched,
resumed, verified and recorded like any file, once, by the one fetcher. NetCDF made of the chunks
would need every chunk twice on disk.
"""

from dataclasses import dataclass
from datetime import date
from functools import partial

from smoecast.data.download.collect import Hooks
from smoecast.data.download.remote_file import About, Offer, RemoteFile
from smoecast.data.sources.open import SUMS, open_analyses
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import AnalysesRequest, Source, size_analyses
from smoecast.data.sources.zarr_stores import zarr_subset
from smoecast.data.sources.zarr_stores.zarr_subset import Request
from smoecast.fields.derived import sources_of
from smoecast.variables import variable_of


@dataclass(frozen=True)
class RemoteStore:
    """A Zarr store in an object store that plain https serves.

    Attributes
    ----------
    about : About
    offer : Offer
    url, name : str
        The folder that has it, and its own name.
    shape : (int, int)
        Of its grid.
    levels : int
        That share a chunk.
    field_bytes : int
        Of one field, compressed.
    single_times : bool
        Whether every time is a chunk of its own, so that only those of `data.step_hours` come.
    """

    about: About
    offer: Offer
    url: str
    name: str
    shape: tuple[int, int]
    levels: int
    field_bytes: int
    single_times: bool = False

    def source(self) -> Source[AnalysesRequest]:
        """Return the source that fetches from it."""
        size = partial(size_analyses, shape=self.shape)
        return remote_source(self.about, self.list_files, self.hooks, open_analyses, size)

    def list_files(self, asked: AnalysesRequest) -> list[RemoteFile]:
        """Return the objects that hold the channels of a run, or an estimate before `discover`.

        Raises
        ------
        ConfigError
            A channel, a year or the spacing in time is not in this data.
        InputError
            What `discover` brought is damaged, or the store has changed.
        """
        request = self._request_of(asked)
        if zarr_subset.can_list(asked.raw, request):
            return zarr_subset.remotes(asked.raw, request)
        days = sum((date(year + 1, 1, 1) - date(year, 1, 1)).days for year in request.years)
        times = days * 24 // (request.step_hours or self.offer.step_hours)
        return [
            RemoteFile(
                name=f"{self.name}/{name}",
                url=f"{request.url}/{name}",
                about=self.field_bytes * self._fields(name, times),
            )
            for name in request.levels
        ]

    def _fields(self, name: str, times: int) -> int:
        """Return how many fields of a variable come: all of its levels share a chunk."""
        variable = variable_of(name)
        if variable is None or variable.vertical == "constant":
            return 1
        return times * (self.levels if variable.vertical == "pressure" else 1)

    def _request_of(self, asked: AnalysesRequest) -> Request:
        """Return what is wanted of the store."""
        data = asked.wanted
        self.offer.check_times(data)
        names = sources_of((*data.channels, *data.constants), self.offer.has)
        levels: dict[str, set[int]] = {}
        for channel in map(self.offer.channel, names):
            own = levels.setdefault(channel.variable.cds_name, set())
            own.update([channel.level] if channel.level is not None else [])
        base = (asked.download.url or self.url).rstrip("/")
        made = {name for name in SUMS & set(data.channels) if not self.offer.has(name)}
        step = data.step_hours if not made else self.offer.step_hours  # sums need every hour
        return Request(
            self.name,
            f"{base}/{self.name}",
            tuple(sorted(set(data.years))),
            {name: tuple(sorted(own)) for name, own in levels.items()},
            step if self.single_times else 0,
        )

    def hooks(self, asked: AnalysesRequest) -> Hooks:
        """Return what is done around a fetch.

        The metadata of the store come first; every chunk is decoded once, as it comes; all chunks
        together must have values on every day.
        """
        request = self._request_of(asked)
        return Hooks(
            discover=partial(zarr_subset.discover, request),
            inspect=lambda path, remote: zarr_subset.inspect(path, remote, asked.raw, request),
            opened=lambda paths: [zarr_subset.finish_group(asked.raw, request)],
        )
