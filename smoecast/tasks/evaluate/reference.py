"""The ensemble that a calibrated one is compared with: the run's raw one, or one that is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.postprocess import ENS10_PAPER
from smoecast.data.members import with_members
from smoecast.data.sources.open import stack_ensemble
from smoecast.errors import InputError
from smoecast.fields import channels
from smoecast.fields.grid import place_of, same_place
from smoecast.fields.left_out import left_out_of, tell
from smoecast.fields.missing import name_files
from smoecast.fields.read.join import join
from smoecast.fields.read.open import open_each, open_file
from smoecast.fields.read.reading import AS_IT_IS, Reading
from smoecast.fields.read.results import read_attributes
from smoecast.fields.store import store
from smoecast.fields.times import YEAR_DAYS
from smoecast.scores.ensemble import member_quantiles
from smoecast.scores.extremes import efi, efi_ens10, sot
from smoecast.scores.pointwise import Values
from smoecast.tasks.evaluate import truth
from smoecast.tasks.provenance import IDENTITY

LEVELS = np.linspace(0.0, 1.0, 101)
"""Of the climate's quantiles: those that ECMWF uses."""


LEAST = 50
"""Values of a point below which they are no climate."""


BAND_BYTES = 128 * 2**20
"""Of the values of a band of rows, at most, unless one row has more."""


class ModelClimate:
    """Quantiles of what an ensemble usually forecasts at a point, at that time of the year.

    Parameters
    ----------
    fields : xr.DataArray
        ``(init_time, lead_time, number, channel, y, x)``, lazy.
    inside : ndarray of bool, shape (init_time,)
        Which of its starts make the climate.
    days : int
        By how much their day of the year may differ from that of the start in question.
    """

    def __init__(self, fields: xr.DataArray, inside: NDArray[np.bool_], days: int) -> None:
        self.fields = fields.isel(init_time=np.flatnonzero(inside))
        self.days = days
        self._of: bytes = b""
        self._known: dict[str, Values | None] = {}

    def members(self, starts: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Return which starts make the climate of each of some others: (I, T)."""
        own, others = _day_of_year(starts), _day_of_year(self.fields["init_time"].values)
        apart = np.abs(own[:, None] - others[None, :])
        near: NDArray[np.bool_] = np.minimum(apart, YEAR_DAYS - apart) <= self.days
        return near

    def quantiles(
        self, start: np.datetime64, leads: NDArray[np.timedelta64], channel: str
    ) -> Values | None:
        """Return the quantiles at `LEVELS`, (101, L, H, W); None where there are too few values.

        They are kept until another climate is asked for.
        """
        near = self.members(np.array([start]))[0]
        of = near.tobytes() + leads.tobytes()
        if of != self._of:
            self._of, self._known = of, {}
        if channel not in self._known:
            self._known[channel] = self._read(near, leads, channel)
        return self._known[channel]

    def _read(
        self, near: NDArray[np.bool_], leads: NDArray[np.timedelta64], channel: str
    ) -> Values | None:
        chosen = self.fields.isel(init_time=np.flatnonzero(near))
        chosen = chosen.sel(channel=channel, lead_time=leads)
        count = chosen.sizes["init_time"] * chosen.sizes["number"]
        if count < LEAST:
            return None
        rows, columns = chosen.dims[-2:]
        one = 4 * count * len(leads) * chosen.sizes[columns]
        step = max(1, BAND_BYTES // one)
        bands: list[Values] = []
        for begin in range(0, chosen.sizes[rows], step):
            values = chosen.isel({rows: slice(begin, begin + step)}).values
            values = values.swapaxes(1, 2)  # (N, L, M, h, W) -> (N, M, L, h, W)
            pooled = values.reshape(count, *values.shape[2:])
            bands.append(member_quantiles(pooled, LEVELS))
        return np.asarray(np.concatenate(bands, axis=2))


def _day_of_year(times: NDArray[np.datetime64]) -> Values:
    days = times.astype("datetime64[D]") - times.astype("datetime64[Y]").astype("datetime64[D]")
    return np.asarray(days.astype(np.float64))


def group_starts(
    starts: NDArray[np.datetime64], climates: Sequence[ModelClimate]
) -> list[NDArray[np.intp]]:
    """Return positions of starts that share their climates, so that each is made once."""
    if not climates:
        return [np.arange(len(starts))]
    together = np.concatenate([climate.members(starts) for climate in climates], axis=1)
    numbers = np.unique(together, axis=0, return_inverse=True)[1].ravel()
    return [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]


RAW, AGAINST = "raw", "against"
ECMWF, ENS10 = "", "_ens10"
"""Endings of the two kinds of EFI and EECRPS."""

_COMMON = ("init_time", "lead_time")


@dataclass(frozen=True, eq=False)
class Reference:
    """An ensemble that another is compared with, and its model climates.

    Attributes
    ----------
    name : str
        ``raw`` or ``against``.
    fields : xr.DataArray
        ``(init_time, lead_time, number, channel, y, x)``, lazy.
    climates : dict
        `ECMWF` and `ENS10` to the climate by which each is measured; those wanted.
    """

    name: str
    fields: xr.DataArray
    climates: Mapping[str, ModelClimate] = field(default_factory=dict)

    def members(self, block: xr.Dataset, channel: str) -> truth.Fields:
        """Return the members of a channel at a block's starts and lead times."""
        same = self.fields.sel(init_time=block["init_time"].values)
        found: truth.Fields = same.sel(lead_time=block["lead_time"].values, channel=channel).values
        return found

    def extremes(self, block: xr.Dataset, channel: str, members: truth.Fields) -> dict[str, Values]:
        """Return EFI and Shift of Tails at a block that shares its climates, (I, L, H, W).

        ``efi`` (ECMWF's), ``efi_ens10`` (of the authors of ENS-10), ``sot10`` and ``sot90``;
        NaN at starts without a climate.
        """
        found: dict[str, Values] = {}
        for ending, climate in self.climates.items():
            at = (block["init_time"].values[0], block["lead_time"].values)
            known = climate.quantiles(*at, channel)
            if known is None:
                nothing = np.full((*members.shape[:2], *members.shape[3:]), np.nan)
                found |= {f"efi{ending}": nothing}
                found |= {} if ending else {"sot10": nothing, "sot90": nothing}
                continue
            quantiles = np.swapaxes(known, 0, 1)[None]  # (101, L, H, W) -> (1, L, 101, H, W)
            if ending == ENS10:
                found["efi_ens10"] = efi_ens10(members, quantiles[:, :, ::5], 2)
                continue
            found["efi"] = efi(members, quantiles, 2)
            found["sot10"] = sot(members, quantiles, 2, upper=False)
            found["sot90"] = sot(members, quantiles, 2)
        return found

    def covers(self, result: xr.Dataset) -> bool:
        """Whether it has every start and lead time of a result, at the same place."""
        known = (np.isin(result[n].values, self.fields[n].values).all() for n in _COMMON)
        return all(known) and same_place(place_of(self.fields), place_of(result))

    def restrict(self, result: xr.Dataset, source: str) -> xr.Dataset:
        """Keep the starts and lead times of a result, called `source`, that it has too.

        Raises
        ------
        InputError
            There are none, or the two are on different grids.
        """
        here, there = place_of(result), place_of(self.fields)
        if not same_place(here, there):
            raise InputError(
                f"{source}: is on {here.describe()}, the ensemble of --against on "
                f"{there.describe()}; compare ensembles on the same grid"
            )
        kept = {
            n: np.flatnonzero(np.isin(result[n].values, self.fields[n].values)) for n in _COMMON
        }
        if not all(len(positions) for positions in kept.values()):
            raise InputError(
                f"{source}: has no start or no lead time in common with the ensemble of --against; "
                "give one of the same starts"
            )
        return result.isel(kept)


def open_raw(path: Path, days: int, protocol: str) -> Reference | None:
    """Return the run's raw ensemble, if it has one, with its climates.

    Parameters
    ----------
    path : Path
        Of the store of ensembles.
    days : int
        Of the season that make a climate; 0: there is none.
    protocol : str
        Under that of the authors of ENS-10 there is their climate too: of the same day of all
        years, the one that is forecast among them.
    """
    if not path.exists():
        return None
    dataset = store.open_store(path)
    fields, inside = with_members(dataset["fields"]), dataset["train"].values
    climates = {ECMWF: ModelClimate(fields, inside, days)} if days else {}
    if days and protocol == ENS10_PAPER:
        climates[ENS10] = ModelClimate(fields, np.ones_like(inside), 0)
    return Reference(RAW, fields, climates)


def open_against(
    paths: Sequence[Path],
    targets: Sequence[str],
    protocol: str,
    climates: Mapping[str, ModelClimate],
    reading: Reading,
) -> Reference:
    """Open the ensemble that ``--against`` names.

    Parameters
    ----------
    paths : sequence of Path
        Its files.
    targets : sequence of str
        Channels of which those that it has are compared.
    protocol : str
        Of the results that are scored.
    climates : mapping of str to ModelClimate
        By the name of their EFI.
    reading : Reading
        How files of ensembles are read; results of smoecast are read as they are.

    Raises
    ------
    InputError
        It cannot be read, lacks a channel, or is no ensemble of forecasts; or it was calibrated
        under another `protocol`.
    """
    made_here = set()
    for path in paths:
        attributes = read_attributes(path)
        if IDENTITY in attributes:
            made_here.add(path)
        theirs = attributes.get("protocol", protocol)
        if theirs != protocol:
            raise InputError(
                f"{path}: was calibrated under the protocol {theirs}, the results under "
                f"{protocol}: their scores do not compare; give --against one of the same"
            )

    def open_one(path: Path) -> xr.Dataset:
        return open_file(path, True, AS_IT_IS if path in made_here else reading)

    opened = join(open_each(paths, open_one))
    tell(left_out_of(opened), paths)
    source = name_files(paths)
    missing = [d for d in ("init_time", "lead_time", "number") if d not in opened.dims]
    if missing:
        raise InputError(
            f"{source}: has no {missing[0]}, so it is no ensemble of forecasts to compare with; "
            "give --against an ensemble with members"
        )
    there = [t for t in targets if channels.has_field(opened, t)]
    if not there:
        raise InputError(f"{source}: holds none of {', '.join(targets)}; nothing can be compared")
    return Reference(AGAINST, stack_ensemble(opened, there, source), climates)
