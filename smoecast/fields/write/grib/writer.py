"""GRIB 2: results written through ecCodes, whole and verified, or not at all.

Simple packing with 24 bits: a value comes back within half a step of the packing of its field,
which is at most 2^-24 (6e-8) of that field's range, about what float32 resolves; the value of a
field that has but one within 2^-23 of itself. Missing values have a bitmap. At each start and lead
time stand the channels, and of each the mean, the spread, the members by number, quantiles and
probabilities: CDO wants times that do not come back. Attributes and checksums stand in the first
message (`fields.local_section`).

Our own values are no danger to ecCodes, so this works in the process of the command; the files of
others are for `fields.read.grib.server` alone.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.disk.atomic import put
from smoecast.disk.explain import explain_errors
from smoecast.errors import OutputError
from smoecast.fields import checksums, local_section
from smoecast.fields.grid import place_of
from smoecast.fields.write.blocks import Append, count_missing, locate, stage_result
from smoecast.fields.write.grib.content import content_of
from smoecast.fields.write.grib.grid import grid_keys
from smoecast.fields.write.grib.keys import Product, products_of
from smoecast.fields.write.grib.limits import check_content
from smoecast.fields.write.grib.message import BITS, Times, pack, templates_of
from smoecast.fields.write.grib.verify import Sums, checksum, verify

_HEADERS = 512  # bytes of a message beside its values, at most

Place = tuple[int, int, int, int]
"""Of a message: start, lead time, product, member."""


@contextmanager
def grib_writer(
    template: xr.Dataset,
    path: Path,
    gaps: bool = False,
    *,
    members: int = 1,
    accumulation_hours: int | None = None,
    calibrated: bool = False,
    confirm: Callable[[], None] = lambda: None,
) -> Iterator[Append]:
    """Write forecasts to a GRIB 2 file block by block: whole and verified, or not at all.

    The messages of a block of starts wait in a file of their own until those of all its members are
    there, then take their order. The file grows in a folder beside its place, gets its checksums
    (`fields.checksums`), is opened again with cfgrib and compared (names, times, members, levels,
    grid, every value), synced, then renamed.

    Parameters
    ----------
    template : xarray.Dataset
        Canonical forecasts, each channel a variable, and what `postprocess` makes of them
        (``t2m_mean``, ``t2m_std``, ``t2m_quantile``, ``t2m_probability_above`` ...); the values of
        its fields are not read.
    path : pathlib.Path
        The file, replaced if it is there; its folder is made if it is not.
    gaps : bool
        Whether members may be missing: fields of a variable with `number` that are NaN throughout.
    members : int
        Of the ensemble that moments are of, where no members are written beside them.
    accumulation_hours : int, optional
        Over which `tp` and its like are; 0: since the start of the forecast.
    calibrated : bool
        Whether the members are corrected.
    confirm : callable
        Called when the file is whole, before it takes its place; what it raises keeps it away.

    Yields
    ------
    callable
        Takes one block after the other, see `fields.write.blocks`; all of the same starts together.

    Raises
    ------
    ConfigError
        GRIB cannot say it.
    InputError
        These are no forecasts, or a variable means nothing here.
    OutputError
        The file cannot be written (a full disk, say) or fails its verification, or what has its
        name is no regular file.
    """
    content = content_of(template, path, members, accumulation_hours, calibrated)
    check_content(content)
    grid = grid_keys(place_of(template))
    products = products_of(content)
    template = template.assign_attrs({checksums.MARK: checksums.IN_GRIB})
    with stage_result(path) as part:
        with templates_of(products, grid) as templates:
            messages = _Messages(template, products, templates, part, path, gaps)
            yield messages.append
            messages.finish()
        with explain_errors(path):
            verify(part, path, template, products, messages.sums)
        confirm()
        with explain_errors(path):
            put(part, path)


class _Messages:
    """What has been written of a file, and what waits for its place in it.

    Attributes
    ----------
    sums : list of ndarray of uint32
        Of each product the checksum of every field, (I, L, M).
    """

    def __init__(
        self,
        template: xr.Dataset,
        products: Sequence[Product],
        templates: Sequence[int],
        part: Path,
        path: Path,
        gaps: bool,
    ) -> None:
        self._template, self._products, self._templates = template, products, templates
        self._part, self._path, self._gaps = part, path, gaps
        self._waiting = part.with_name("waiting")
        self._there: dict[Place, tuple[int, int]] = {}
        self._starts: slice | None = None
        self._times = Times.of(template)
        numbered = "number" in template.dims
        self._numbers = template["number"].values.tolist() if numbered else []
        shape = self._times.shape
        self.sums: list[Sums] = [
            np.zeros((*shape, len(self._numbers) if p.numbered else 1), np.uint32) for p in products
        ]
        self._left = sum(one.size for one in self.sums)
        self._attributes = {str(k): v for k, v in template.attrs.items() if v is not None}
        points = template.sizes["latitude"] * template.sizes["longitude"]
        most = self._left * (_HEADERS + points * (BITS + 1) // 8)
        self._room = local_section.length_for(self._attributes, 1 + most // checksums.PIECE_BYTES)

    def append(self, block: xr.Dataset) -> None:
        """Pack the fields of a block; those of earlier starts take their order."""
        place = locate(self._template, block)
        if place.get("init_time") != self._starts:
            self._put_in_order()
        self._starts = place.get("init_time")
        with explain_errors(self._path), self._waiting.open("ab") as file:
            for (start, lead, kind, member), values in _fields(block, place, self._products):
                product = self._products[kind]
                _check_values(values, f"{self._path}: {product.variable}", self._gaps, product)
                keys = self._times.keys(start, lead, product.hours)
                if product.numbered:
                    keys["perturbationNumber"] = self._numbers[member]
                scaled = values * np.float64(product.factor)
                packed = pack(self._templates[kind], keys, scaled)
                self.sums[kind][start, lead, member] = checksum(packed.values)
                self._there[start, lead, kind, member] = file.tell(), len(packed.message)
                file.write(packed.message)

    def _put_in_order(self) -> None:
        if self._there:
            with explain_errors(self._path):
                _append(self._waiting, self._there, self._part, self._room)
            self._left -= len(self._there)
            self._there = {}

    def finish(self) -> None:
        """Write what waits, and what the file says of itself."""
        self._put_in_order()
        if self._left:
            raise OutputError(
                f"{self._path}: {self._left} fields never came, so the file was not kept: run again"
            )
        with explain_errors(self._path):
            checksums.seal_grib(self._part, self._attributes)


def _fields(
    block: xr.Dataset, place: Mapping[Hashable, slice], products: Sequence[Product]
) -> Iterator[tuple[Place, NDArray[np.float32]]]:
    """Walk the fields (H, W) of a block, each with its place in the whole."""
    for kind, product in enumerate(products):
        if product.variable not in block:
            continue  # it stands in another block of the same starts
        array = block[product.variable].isel(product.at)
        along = ("init_time", "lead_time", *(["number"] if product.numbered else []))
        array = array.transpose(*along, "latitude", "longitude")
        first = [place[d].start if d in place else 0 for d in along]
        for index in np.ndindex(array.shape[:-2]):
            start, lead, *member = (i + at for i, at in zip(index, first, strict=True))
            yield (start, lead, kind, next(iter(member), 0)), array.values[index]


def _check_values(values: NDArray[np.float32], what: str, gaps: bool, product: Product) -> None:
    """Refuse a field with missing values; with gaps a member's may be missing as a whole."""
    if gaps and product.numbered and np.isnan(values).all():
        return
    missing = count_missing(values)
    if missing:
        raise OutputError(
            f"{what} has {missing} of {values.size} values in a field that are missing or "
            "infinite, so the file was not kept: look at the input and at the model"
        )


def _append(waiting: Path, there: Mapping[Place, tuple[int, int]], part: Path, room: int) -> None:
    """Bring waiting messages to the end of the file in their order; leave room in the first."""
    with waiting.open("rb") as source, part.open("ab") as target:
        for place in sorted(there):
            offset, length = there[place]
            source.seek(offset)
            message = source.read(length)
            if not target.tell():
                message = local_section.with_section(message, room)
            target.write(message)
    waiting.unlink()
