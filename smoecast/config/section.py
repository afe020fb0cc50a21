"""What every section of a config is."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

RARE: dict[str, Any] = {"rare": True}
"""Of a key (`json_schema_extra`) that nobody needs in the first month: `config init` leaves it out
unless all are asked for. So are blocks called `advanced`, which only research turns."""

BRIEF: dict[str, Any] = {"brief": True}
"""Of a section whose keys are explained elsewhere: a written config has no more than its name."""


class Section(BaseModel):
    """A part of the config: immutable, no key but the declared ones."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_yes_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation in (int, float):
            raise ValueError(f"a number is wanted, not {str(value).lower()}")
        return value


def first_difference(old: Any, new: Any, key: str = "") -> str:
    """Name the first key (dotted) at which two JSON values differ; empty when they agree."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return "" if old == new else f"{key} ({json.dumps(old)}, now {json.dumps(new)})"
    for name in sorted({*old, *new}):
        inner = f"{key}.{name}" if key else str(name)
        found = first_difference(old.get(name), new.get(name), inner)
        if found:
            return found
    return ""
