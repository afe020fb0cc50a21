"""The ensemble that a calibrated one is compared with: the run's raw one, or one that is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.config import Config
from smoecast.data import archive, channels
from smoecast.data.checks import named
from smoecast.data.members import with_members
from smoecast.errors import InputError
from smoecast.fields import store
from smoecast.fields.plane import place_of, same_place
from smoecast.fields.reader import open_files
from smoecast.scores.extremes import efi, efi_ens10, sot
from smoecast.scores.pointwise import Values
from smoecast.tasks import truths
from smoecast.tasks.climate import ModelClimate
from smoecast.tasks.summing import PLAIN

RAW, AGAINST = "raw", "against"
ECMWF, ENS10 = "", "_ens10"
"""Endings of the two kinds of EFI and EECRPS."""


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

    def members(self, block: xr.Dataset, channel: str) -> truths.Fields:
        """Return the members of a channel at a block's starts and lead times."""
        same = self.fields.sel(init_time=block["init_time"].values)
        found: truths.Fields = same.sel(lead_time=block["lead_time"].values, channel=channel).values
        return found

    def extremes(
        self, block: xr.Dataset, channel: str, members: truths.Fields
    ) -> dict[str, Values]:
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


def raw_reference(config: Config, result: xr.Dataset, protocol: str) -> Reference | None:
    """Return the run's raw ensemble, where it has one of the result's starts and place."""
    if not config.ensemble_store.exists():
        return None
    fields = with_members(store.open_store(config.ensemble_store)["fields"])
    there = all(
        np.isin(result[name].values, fields[name].values).all()
        for name in ("init_time", "lead_time")
    )
    if not there or not same_place(place_of(fields), place_of(result)):
        return None
    return Reference(RAW, fields, climates_of(config, protocol))


def climates_of(config: Config, protocol: str) -> dict[str, ModelClimate]:
    """Return the climates of the run's own ensemble: of training starts at the season.

    Under the protocol of the authors of ENS-10 theirs as well: the same day of all years, the
    one that is forecast among them.
    """
    if not config.evaluate.climate_days or not config.ensemble_store.exists():
        return {}
    dataset = store.open_store(config.ensemble_store)
    fields, inside = with_members(dataset["fields"]), dataset["train"].values
    found = {ECMWF: ModelClimate(fields, inside, config.evaluate.climate_days)}
    if protocol == PLAIN:
        found[ENS10] = ModelClimate(fields, np.ones_like(inside), 0)
    return found


def open_reference(
    config: Config, paths: Sequence[Path], targets: Sequence[str], protocol: str
) -> Reference:
    """Open the ensemble that ``--against`` names.

    Raises
    ------
    InputError
        It cannot be read, lacks a channel, or is no ensemble of forecasts.
    """
    opened = open_files(paths, any_grid=True)
    source = named(paths)
    missing = [d for d in ("init_time", "lead_time", "number") if d not in opened.dims]
    if missing:
        raise InputError(
            f"{source}: has no {missing[0]}, so it is no ensemble of forecasts to compare with; "
            "give --against an ensemble with members"
        )
    there = [t for t in targets if channels.has_field(opened, t)]
    if not there:
        raise InputError(f"{source}: holds none of {', '.join(targets)}; nothing can be compared")
    fields = archive.packed_ensemble(opened, there, source)
    return Reference(AGAINST, fields, climates_of(config, protocol))


def in_common(result: xr.Dataset, reference: Reference | None, source: str) -> xr.Dataset:
    """Keep the starts and lead times that a reference has too.

    Raises
    ------
    InputError
        There are none, or the two are on different grids.
    """
    if reference is None:
        return result
    here, there = place_of(result), place_of(reference.fields)
    if not same_place(here, there):
        raise InputError(
            f"{source}: is on {here.describe()}, the ensemble of --against on {there.describe()}; "
            "compare ensembles on the same grid"
        )
    kept = {
        name: np.flatnonzero(np.isin(result[name].values, reference.fields[name].values))
        for name in ("init_time", "lead_time")
    }
    if not all(len(positions) for positions in kept.values()):
        raise InputError(
            f"{source}: has no start or no lead time in common with the ensemble of --against; "
            "give one of the same starts"
        )
    return result.isel(kept)
