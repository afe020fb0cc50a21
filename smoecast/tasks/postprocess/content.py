"""What a calibrated ensemble holds: refused, described, said in words."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from smoecast.config.postprocess import Postprocess
from smoecast.config.products import Products
from smoecast.errors import ConfigError
from smoecast.tasks import formats
from smoecast.tasks.descriptions import FitRecord
from smoecast.tasks.postprocess.calibration import Calibration


def check_events(wanted: Products, calibration: Calibration) -> None:
    """Refuse the probability of a channel that is not calibrated.

    Raises
    ------
    ConfigError
        One is asked for.
    """
    strange = [event.channel for event in wanted.events if event.channel not in calibration.targets]
    if strange:
        raise ConfigError(
            f"postprocess.write asks for a probability of {strange[0]}, but what is calibrated is "
            f"{', '.join(calibration.targets)}: correct the one, or postprocess.targets"
        )


def describe(
    settings: Postprocess, calibration: Calibration, lead_hours: tuple[int, ...], count: int
) -> dict[str, Any]:
    """Return what decides the content beside the calibration, its input and the seed."""
    made_from = {
        "leads": lead_hours,
        "targets": calibration.targets,
        "members": count,
        "reordering": settings.reordering,
        "write": settings.write,
    }
    made_from |= formats.describe_format(settings)
    if calibration.protocol != "default":
        made_from["protocol"] = calibration.protocol
    return made_from


def list_products(wanted: Products, count: int) -> list[str]:
    """Return in words what is written."""
    moments = [word for word in ("mean", "std") if getattr(wanted, word)]
    parts = [f"{count} members"] if wanted.members else moments
    if wanted.quantiles:
        parts.append(f"quantiles {', '.join(f'{level:g}' for level in wanted.quantiles)}")
    return parts + [
        f"P({e.channel} {'>' if e.above else '<'} {e.threshold:g})" for e in wanted.events
    ]


def tell_short(record: Sequence[FitRecord]) -> str:
    """Return in a sentence which coefficients rest on too few starts; nothing if none do."""
    short = [r for r in record if r.is_short]
    parts = []
    for (channel, starts, fewest), group in groupby(
        sorted(short, key=lambda r: (r.channel, r.starts, r.fewest)),
        key=lambda r: (r.channel, r.starts, r.fewest),
    ):
        leads = ", ".join(f"{r.lead_hours} h ({r.share:.0%} of the fit kept)" for r in group)
        parts.append(f"{channel} has {starts} starts, where {fewest} are needed, at {leads}")
    if not parts:
        return ""
    return (
        "a short record is calibrated towards the raw ensemble, as far as starts that were left "
        f"out do not vouch for more: {'; '.join(parts)}: fit to more starts"
    )
