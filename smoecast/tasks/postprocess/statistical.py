"""Fit and apply the calibrations that are formulae with coefficients: EMOS and member by member."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast.calibration import emos, mbm
from smoecast.calibration.calibrated_forecast import CalibratedForecast
from smoecast.calibration.distributions import Distribution
from smoecast.calibration.emos import Emos
from smoecast.calibration.fitting.families import family_of
from smoecast.calibration.mbm import MemberByMember
from smoecast.config.postprocess import Postprocess
from smoecast.data.members import is_moments, members_of
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.fields.times import as_hours, iso
from smoecast.tasks.descriptions import FitRecord
from smoecast.variables import is_never_negative

Fields = NDArray[np.floating[Any]]
Starts = NDArray[np.datetime64]
Fitted = Emos | MemberByMember
Apply = Callable[[Fields, Starts, Fields], CalibratedForecast]
"""Members (B, L, M, C, H, W) of the lead times that were fitted, starts (B,) and the hours (L,)
after which they hold to what comes of them."""
FEWEST = 2
"""Starts that a rolling window must hold."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: a fit is thousands of small steps that fit its cache.

    Threads would wait for each other at each, beside another program for ten times as long as the
    work takes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def fit(
    settings: Postprocess,
    source: Path,
    fields: xr.DataArray,
    truth: NDArray[np.float32],
    rows: Fields,
    wanted: Starts,
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Fit one set of coefficients for each lead time and target, and for each window if it rolls.

    Parameters
    ----------
    settings : Postprocess
        Which calibration.
    source : Path
        Where the ensembles come from, for what is said of them.
    fields : xr.DataArray
        Ensembles to fit to, ``(init_time, lead_time, [number,] channel, latitude, longitude)``.
    truth : (N, L, D, H, W) float32
        What happened.
    rows : (H, 1)
        Weights.
    wanted : (W,) datetime64
        Starts before which a rolling window ends.

    Returns
    -------
    tuple
        Tensors by name, and what else the model has to know.

    Raises
    ------
    ConfigError
        Members are asked for where the store has none.
    InputError
        A window holds too few starts.
    """
    if settings.method == "mbm" and is_moments(fields):
        raise ConfigError(
            f"{source}: holds mean and spread; postprocess.method mbm needs the "
            "members (postprocess.ens10.keep: members), or take emos"
        )
    starts, hours = fields["init_time"].values, as_hours(fields["lead_time"].values)
    tensors, record = dict[str, torch.Tensor](), list[dict[str, Any]]()
    for lead, target, channel in _each(settings):
        members, true = members_of(fields, lead, channel), truth[:, lead, target]
        windows = [slice(None)] if not settings.window_days else None
        chosen = windows or _windows(settings.window_days, source, starts, int(hours[lead]), wanted)
        fit_one = _method(settings, channel)
        fits = [
            fit_one(
                members[some], true[some], where=settings.coefficients, season=settings.season,
                starts=starts[some], weights=rows, to_raw=True,
            )
            for some in chosen
        ]  # fmt: skip
        record.append(_describe(channel, settings.lead_hours[lead], fits))
        found = [fit_.to_tensors() for fit_ in fits]
        for name in found[0]:
            stacked = np.stack([f[name] for f in found]) if settings.window_days else found[0][name]
            key = f"{channel}.{settings.lead_hours[lead]}h.{name}"
            tensors[key] = torch.from_numpy(np.array(stacked))
    ends = [str(w) for w in wanted] if settings.window_days else []
    return tensors, {"windows": ends, "record": record}


def _describe(channel: str, hours: int, fits: Sequence[Fitted]) -> dict[str, Any]:
    """Return what the coefficients rest on, of several windows those with the fewest starts."""
    records = [fit_.record for fit_ in fits if fit_.record is not None]
    least = min(records, key=lambda r: (r.starts, r.share))
    return FitRecord(
        channel=channel,
        lead_hours=hours,
        starts=least.starts,
        cases=round(least.cases, 1),
        coefficients=least.coefficients,
        share=least.share,
        fewest=least.fewest,
    ).model_dump()


def _each(settings: Postprocess) -> Iterator[tuple[int, int, str]]:
    """Return index of the lead time, index of the target, and its name, for each."""
    for lead in range(len(settings.lead_hours)):
        for target, channel in enumerate(settings.targets):
            yield lead, target, channel


def _windows(
    days: int, source: Path, starts: Starts, hours: int, wanted: Starts
) -> list[NDArray[np.intp]]:
    """Return, for each start wanted, those of the last days whose truth was known by then."""
    # in seconds, where a window of any length fits
    begun, found = starts.astype("datetime64[s]"), []
    known = begun + np.timedelta64(hours, "h")
    for start in wanted.astype("datetime64[s]"):
        recent = start - begun <= np.timedelta64(days, "D")
        inside = recent & (known <= start) & (begun < start)
        found.append(np.flatnonzero(inside))
        if len(found[-1]) < FEWEST:
            raise InputError(
                f"{source}: the {days} days before {iso(start)} hold "
                f"{len(found[-1])} starts whose truth was known by then; raise "
                "postprocess.window_days, or let the test split begin later"
            )
    return found


def _method(settings: Postprocess, channel: str) -> Callable[..., Fitted]:
    """Return the fit of one channel at one lead time, what is its own given."""
    if settings.method == "mbm":
        return partial(mbm.fit, lowest=_lowest(channel))
    return partial(emos.fit, distribution=settings.distribution)


def _lowest(channel: str) -> float:
    return 0.0 if is_never_negative(channel) else -np.inf


def open_coefficients(
    settings: Postprocess,
    state: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    space: tuple[int, int],
) -> Apply:
    """Return what applies a fitted calibration.

    Parameters
    ----------
    settings : Postprocess
        That it was fitted with.
    state, tensors
        What `fit` gave.
    space : tuple of int
        (H, W) of the grid that it was fitted on.

    Raises
    ------
    ModelError
        A coefficient is missing, of another shape or not finite, or a window has no time; on
        applying, a start has no window.
    """
    windows = _windows_in(state)
    _check_coefficients(settings, tensors, len(windows), space)
    fitted = {
        (lead, target): [
            _read(settings, tensors, channel, lead, window if len(windows) else None)
            for window in range(max(1, len(windows)))
        ]
        for lead, target, channel in _each(settings)
    }
    columns = [settings.channels.index(t) for t in settings.targets]

    def apply(members: Fields, starts: Starts, _: Fields) -> CalibratedForecast:
        window = _window_of(settings.window_days, windows, starts)
        batch, leads, size, _, *space = members.shape
        targets = len(columns)
        own = np.empty((batch, leads, size, targets, *space))
        parts = np.empty((3, batch, leads, targets, *space))
        for (lead, target), fits in fitted.items():
            for number in np.unique(window):
                some = np.flatnonzero(window == number)
                raw, fit_ = members[some, lead, :, columns[target]], fits[number]
                if isinstance(fit_, MemberByMember):
                    own[some, lead, :, target] = fit_.members(raw, starts[some])
                else:
                    said = fit_.forecast(raw, starts[some])
                    parts[:, some, lead, target] = said.location, said.scale, said.shift
        if settings.method == "mbm":
            return CalibratedForecast(members=own)
        return CalibratedForecast(Distribution(settings.distribution, *parts))

    return apply


LARGEST = 1e12
"""Of a coefficient, in SI units: squares of more, times a variance, leave the range of doubles."""
_TIME = re.compile(r"(1[7-9]|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+")


def _windows_in(state: dict[str, Any]) -> Starts:
    texts = state.get("windows", [])
    try:
        if not all(map(_TIME.fullmatch, texts)):
            raise ValueError
        windows = np.array(texts, "datetime64[ns]")
        if (np.diff(windows) <= np.timedelta64(0)).any():
            raise ValueError
    except ValueError:
        raise ModelError("its windows are no times in ascending order: fit it again") from None
    return windows


def _check_coefficients(
    settings: Postprocess, tensors: dict[str, torch.Tensor], windows: int, space: tuple[int, int]
) -> None:
    """Refuse coefficients that are not of this grid, season and windows, one for one."""
    names_ = "abcd" if settings.method == "mbm" else family_of(settings.distribution).names
    shape = (windows,) * (windows > 0) + (3,) * (settings.season == "harmonic")
    shape += space if settings.coefficients == "local" else ()
    wanted = {
        f"{channel}.{settings.lead_hours[lead]}h.{name}"
        for lead, _, channel in _each(settings)
        for name in names_
    }
    if strange := wanted ^ set(tensors):
        raise ModelError(f"coefficient {min(strange)} is missing or one too many: fit it again")
    for name, value in tensors.items():
        fits = value.shape == shape and value.dtype == torch.float64
        if not fits or not (value.abs() <= LARGEST).all():  # NaN is not
            raise ModelError(
                f"coefficient {name} is no array of {shape} finite numbers in double precision: "
                "fit it again"
            )


def _read(
    settings: Postprocess,
    tensors: dict[str, torch.Tensor],
    channel: str,
    lead: int,
    window: int | None,
) -> Fitted:
    prefix = f"{channel}.{settings.lead_hours[lead]}h."
    own = {
        name.removeprefix(prefix): (value if window is None else value[window]).numpy()
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    if settings.method == "mbm":
        return MemberByMember.from_tensors(own, settings.season, _lowest(channel))
    return Emos.from_tensors(own, settings.distribution, settings.season)


def _window_of(days: int, windows: Starts, starts: Starts) -> NDArray[np.intp]:
    """Return the newest window that ends no later than each start; 0 where none rolls."""
    if not len(windows):
        return np.zeros(len(starts), np.intp)
    found = np.searchsorted(windows, starts, side="right") - 1
    longest = np.timedelta64(days, "D")
    old = (found < 0) | (starts - windows[found] > longest)
    if old.any():
        raise ModelError(
            f"the start {iso(starts[old][0])} is outside of the rolling windows of this "
            f"calibration, {iso(windows[0])} to {iso(windows[-1])}: fit it again to newer ensembles"
        )
    return found
