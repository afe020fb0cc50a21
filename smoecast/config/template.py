"""A config to begin with: the keys at their defaults, each with a word on what it is."""

from typing import Any, get_args

import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from smoecast.config.run import Config
from smoecast.config.section import Section

_HEAD = """\
# A run of smoecast. Every key is optional; what stands here is the default.
"""
_MORE = """\
# `smoecast config init --all` writes every key there is.
"""


def template(name: str, *, every_key: bool = False) -> str:
    """Return a commented config at its defaults, to edit.

    Parameters
    ----------
    name : str
        Of the run.
    every_key : bool
        Whether it has keys too that hardly anybody needs in the first month (`section.RARE`).
    """
    lines = [
        _HEAD + ("" if every_key else _MORE) + _line("name", name, Config.model_fields["name"])
    ]
    for key, field in Config.model_fields.items():
        if key != "name":
            lines += _describe(key, field, getattr(Config(), key), 0, every_key)
    return "\n".join(lines) + "\n"


def _describe(key: str, field: FieldInfo, value: Any, depth: int, every_key: bool) -> list[str]:
    marks = field.json_schema_extra
    marks = marks if isinstance(marks, dict) else {}
    if marks.get("rare") and not every_key:
        return []
    pad = "  " * depth
    if not isinstance(value, Section):
        return [pad + _line(key, value, field)]
    if marks.get("brief"):
        return [f"{pad}{key}: {{}}  # {field.description}"]
    lines = [""] if depth == 0 else []
    lines += [f"{pad}{key}:  # {field.description}"]
    for name, inner in type(value).model_fields.items():
        lines += _describe(name, inner, getattr(value, name), depth + 1, every_key)
    return lines


def _line(key: str, value: Any, field: FieldInfo) -> str:
    plain = TypeAdapter(type(value)).dump_python(value, mode="json")
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("...\n").strip()
    words = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    note = f"{field.description}" + (f" [{' | '.join(words)}]" if words else "")
    return f"{key}: {text}  # {note}"
