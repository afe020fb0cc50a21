"""What a config says of how files are read: what is taken of them, and what they do not say."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from smoecast.config.section import Section
from smoecast.variables import VARIABLES

NOT = "not"
"""Key of a selection that says what to leave."""
_MOST = 1000


class Assumption(Section):
    """What is taken for said of files that do not say it."""

    level: Annotated[int, Field(ge=1, le=2000)] | None = Field(
        None, description="pressure in hPa of their fields"
    )
    variable: str | dict[str, str] = Field(
        {}, description="our short name of their one variable; of several, {their name: ours}"
    )
    units: str | dict[str, str] = Field(
        {}, description="of their one variable; of several, {their name: units}"
    )
    step: Literal["", "instant", "accum", "max"] = Field(
        "", description="take their values so over time, whatever they say: instant for daily means"
    )
    time_offset_hours: Annotated[int, Field(ge=-10_000, le=10_000)] = Field(
        0, description="by which their times are too early: 12 where 00 UTC means noon"
    )

    @field_validator("variable")
    @classmethod
    def _is_known(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        for name in [value] if isinstance(value, str) else value.values():
            if name not in VARIABLES:
                raise ValueError(
                    f"'{name}' is no variable: write its short name (z, t, t2m), level beside it"
                )
        return value


def _check_values(where: str, values: dict[str, Any]) -> None:
    for key, value in values.items():
        each = value if isinstance(value, list | tuple) else [value]
        plain = all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in each)
        if not plain or not each or len(each) > _MOST:
            raise ValueError(f"{where}{key} is a value or a list of values, text or numbers")


def _check_one(where: str, values: dict[str, Any]) -> None:
    """Refuse what is no mapping of keys to values, and of ``not`` to such a mapping."""
    taken = {key: value for key, value in values.items() if key != NOT}
    left = values.get(NOT, {})
    if not isinstance(left, dict):
        raise ValueError(f"{where}{NOT} is a mapping: {NOT}: {{typeOfLevel: surface}}")
    _check_values(where, taken)
    _check_values(f"{where}{NOT}.", left)


def check_select(values: dict[str, Any]) -> dict[str, Any]:
    """Refuse a selection that is neither keys and values, nor such for patterns of names."""
    general = {k: v for k, v in values.items() if k == NOT or not isinstance(v, dict)}
    _check_one("", general)
    for pattern, inner in values.items():
        if pattern not in general:
            _check_one(f"{pattern}.", inner)
    return values


Select = Annotated[dict[str, Any], Field(max_length=_MOST), AfterValidator(check_select)]
Assume = Annotated[dict[str, Assumption], Field(max_length=_MOST)]


def without_unset(values: dict[str, Any]) -> dict[str, Any]:
    """Return a section to be saved: without a selection or assumptions where it has none.

    So it stays what it was before there were such keys, and so do stores and models made from it.
    """
    return {k: v for k, v in values.items() if v or k not in ("select", "assume")}
