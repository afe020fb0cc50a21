"""GRIB 2: results written through ecCodes, whole and verified, or not at all.

Simple packing with 24 bits: a value comes back within half a step of the packing of its field,
which is at most 2^-24 (6e-8) of that field's range, about what float32 resolves; the value of a
field that has but one within 2^-23 of itself. Missing values have a bitmap. At each start and lead
time stand the channels, and of each the mean, the spread, the members by number, quantiles and
probabilities: CDO wants times that do not come back. Attributes and checksums stand in the first
message (`fields.local_section`).

Our own values are no danger to ecCodes, so this works in the process of the command; the files of
others are for `fields.gribserver` alone.
"""

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.disk.atomic import put
from smoecast.disk.explain import explain_errors
from smoecast.errors import OutputError
from smoecast.fields import checksums, local_section
from smoecast.fields.canonical.canonical import HUGE
from smoecast.fields.grid import place_of
from smoecast.fields.write.blocks import (
    blocks,
    compute,
    confirm_blindly,
    stage_result,
)
from smoecast.fields.write.grib_content import content_of
from smoecast.fields.write.grib_grid import grid_keys
from smoecast.fields.write.grib_keys import Product, products_of
from smoecast.fields.write.grib_limits import check_content
from smoecast.fields.write.grib_message import BITS, Times, pack, templates_of
from smoecast.fields.write.grib_verify import Sums, checksum, verify

_HEADERS = 512  # bytes of a message beside its values, at most

Place = tuple[int, int, int, int]
"""Of a message: start, lead time, product, member."""


def write_grib(
    dataset: xr.Dataset,
    path: Path,
    gaps: bool = False,
    *,
    members: int = 1,
    accumulation_hours: int | None = None,
    calibrated: bool = False,
    confirm: Callable[[], None] = confirm_blindly,
) -> None:
    """Write forecasts to a GRIB 2 file: whole and verified, or not at all.

    Fields may be lazy: they are computed and packed one block of dask chunks after the other. The
    messages of a block of starts wait in a file of their own until those of all its members are
    there, then take their order. The file grows in a folder beside its place, gets its checksums
    (`fields.checksums`), is opened again with cfgrib and compared (names, times, members, levels,
    grid, every value), synced, then renamed.

    Parameters
    ----------
    dataset : xarray.Dataset
        Canonical forecasts, each channel a variable, and what `postprocess` makes of them
        (``t2m_mean``, ``t2m_std``, ``t2m_quantile``, ``t2m_probability_above`` ...).
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
    content = content_of(dataset, path, members, accumulation_hours, calibrated)
    check_content(content)
    grid = grid_keys(place_of(dataset))
    products = products_of(content)
    dataset = dataset.assign_attrs({checksums.MARK: checksums.IN_GRIB})
    with stage_result(path) as part:
        sums = _fill(dataset, products, grid, part, path, gaps)
        with explain_errors(path):
            verify(part, path, dataset, products, sums)
        confirm()
        with explain_errors(path):
            put(part, path)


def _fill(
    dataset: xr.Dataset,
    products: Sequence[Product],
    grid: Mapping[str, int | str],
    part: Path,
    path: Path,
    gaps: bool,
) -> list[Sums]:
    """Write all of `dataset` to `part`; return the checksum of every field."""
    times = Times.of(dataset)
    numbers = dataset["number"].values.tolist() if "number" in dataset.dims else []
    sums = [
        np.zeros((*times.shape, len(numbers) if p.numbered else 1), np.uint32) for p in products
    ]
    attributes = {str(key): value for key, value in dataset.attrs.items() if value is not None}
    points = dataset.sizes["latitude"] * dataset.sizes["longitude"]
    most = sum(one.size for one in sums) * (_HEADERS + points * (BITS + 1) // 8)
    room = local_section.length_for(attributes, 1 + most // checksums.PIECE_BYTES)
    waiting = part.with_name("waiting")
    with templates_of(products, grid) as templates:
        for batch in _batches(dataset):
            there: dict[Place, tuple[int, int]] = {}
            for block in batch:
                fields = compute(dataset, block)  # what goes wrong in here is not the disk's fault
                with explain_errors(path), waiting.open("ab") as file:
                    for place, values in _fields(fields, block, products):
                        start, lead, kind, member = place
                        product = products[kind]
                        _check_values(values, f"{path}: {product.variable}", gaps, product)
                        keys = times.keys(start, lead, product.hours)
                        if product.numbered:
                            keys["perturbationNumber"] = numbers[member]
                        packed = pack(templates[kind], keys, values * np.float64(product.factor))
                        sums[kind][start, lead, member] = checksum(packed.values)
                        there[place] = file.tell(), len(packed.message)
                        file.write(packed.message)
            with explain_errors(path):
                _append(waiting, there, part, room)
    with explain_errors(path):
        checksums.seal_grib(part, attributes)
    return sums


def _batches(dataset: xr.Dataset) -> Iterator[list[dict[Hashable, slice]]]:
    """Walk the blocks of a dataset, all those of the same starts together."""

    def first(block: Mapping[Hashable, slice]) -> int:
        return int(block["init_time"].start)

    for _, batch in itertools.groupby(sorted(blocks(dataset), key=first), key=first):
        yield list(batch)


def _fields(
    fields: xr.Dataset, block: Mapping[Hashable, slice], products: Sequence[Product]
) -> Iterator[tuple[Place, NDArray[np.float32]]]:
    """Walk the fields (H, W) of a block, each with its place in the whole."""
    for kind, product in enumerate(products):
        if product.variable not in fields:
            continue  # it stood in another block of the same starts
        array = fields[product.variable].isel(product.at)
        along = ("init_time", "lead_time", *(["number"] if product.numbered else []))
        array = array.transpose(*along, "latitude", "longitude")
        for index in np.ndindex(array.shape[:-2]):
            start, lead, *member = (i + block[d].start for i, d in zip(index, along, strict=True))
            yield (start, lead, kind, next(iter(member), 0)), array.values[index]


def _check_values(values: NDArray[np.float32], what: str, gaps: bool, product: Product) -> None:
    """Refuse a field with missing values; with gaps a member's may be missing as a whole."""
    if gaps and product.numbered and np.isnan(values).all():
        return
    missing = int((~(np.abs(values) < HUGE)).sum())
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
