"""What GRIB 2 cannot say: refused before any work, each in one sentence."""

from smoecast.errors import ConfigError
from smoecast.fields.write.grib.content import Content
from smoecast.fields.write.grib.parameters import INSTEAD, Parameter, parameter_of, threshold_of

MEMBERS = 254
"""Of an ensemble, at most, and the highest number of one: an octet whose 255 means missing."""


def check_content(content: Content) -> None:
    """Refuse what GRIB cannot say.

    Raises
    ------
    ConfigError
        A channel has no parameter, or the hours that it is of are not known or begin before the
        forecast; two are one parameter; a lead time is no whole minute; there are too many
        members; a quantile is no whole percent, or a threshold has too many digits.
    """
    _check_parameters(content)
    for hours in content.hours:
        if hours < 0 or abs(60 * hours - round(60 * hours)) > 1e-6:
            raise ConfigError(
                f"GRIB results have lead times of whole minutes from 0 on, not {hours:g} h: "
                f"leave it out, or {INSTEAD}"
            )
    highest = max([content.size, *(content.numbers or ())])
    if highest > MEMBERS:
        raise ConfigError(
            f"GRIB counts the members of an ensemble up to {MEMBERS}, not to {highest}: write "
            "fewer, or NetCDF (--format netcdf)"
        )
    for level in content.quantiles:
        if abs(100 * level - round(100 * level)) > 1e-9:
            raise ConfigError(
                f"GRIB has quantiles of whole percents, and {level:g} is none: round it, or "
                f"{INSTEAD}"
            )
    for event in content.events:
        threshold_of(event)


def _check_parameters(content: Content) -> None:
    taken: dict[tuple[int, int | None], str] = {}
    for name in content.channels:
        parameter, channel = parameter_of(name)
        if parameter.process is not None:
            _check_interval(name, parameter, content)
        other = taken.setdefault((parameter.param_id, channel.level), name)
        if other != name:
            raise ConfigError(
                f"{other} and {name} are one parameter of GRIB: leave one out, or {INSTEAD}"
            )


def _check_interval(name: str, parameter: Parameter, content: Content) -> None:
    hours = parameter.hours or content.accumulation_hours
    if hours is None:
        raise ConfigError(
            f"GRIB says over which hours {name} is taken, and smoecast does not know: set "
            f"accumulation_hours (0: since the start of the forecast), or {INSTEAD}"
        )
    early = [lead for lead in content.hours if lead < hours or not lead]
    if early:
        over = f"over {hours} h" if hours else "since the start of the forecast"
        raise ConfigError(
            f"{name} is taken {over}, which GRIB cannot say {early[0]:g} h ahead: leave that "
            f"lead time out, or {INSTEAD}"
        )
