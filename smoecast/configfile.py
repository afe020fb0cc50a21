"""Read, override, explain and write a `smoecast.config.Config`.

YAML in, YAML out. Every mistake ends in one `ConfigError` that names the file, the key
and the mend.
"""

import difflib
import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from smoecast.config import Config
from smoecast.config_learning import Section
from smoecast.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice (YAML itself lets the last one win)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{twice[0]}' is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config file and apply ``section.key=value`` overrides to it.

    Parameters
    ----------
    path : Path
        A YAML file.
    overrides : sequence of str
        Each ``section.key=value``, the value in YAML.

    Raises
    ------
    ConfigError
        The file is missing or no YAML, a key is unknown or given twice, a value does not fit.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such config; `smoecast config init` writes one, "
            "`smoecast models list` names the ready ones"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the config cannot be read ({error})") from None
    return parse(text, str(path), overrides)


def parse(text: str, source: str, overrides: Sequence[str] = ()) -> Config:
    """Read a config from YAML text; `source` names it in messages. Raises as `load` does."""
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        detail = " ".join(str(error).split())
        raise ConfigError(f"{source}: this is not valid YAML: {detail}") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: a config is a set of sections such as `data:`, not a value")
    for override in overrides:
        _apply(values, override)
    return validate(values, source)


def validate(values: dict[str, Any], source: str) -> Config:
    """Turn plain values into a Config, or say in one sentence what is wrong with the first."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        key = ".".join(str(part) for part in first["loc"] if not _is_branch(part))
        message = _explain(first["type"], first["loc"], first["msg"], first.get("input"))
        raise ConfigError(f"{source}: {key + ': ' if key else ''}{message}{more}") from None


def _is_branch(part: str | int) -> bool:
    """Tell pydantic's names for branches of a union from keys."""
    return isinstance(part, str) and ("[" in part or part == "float")


def _explain(kind: str, loc: tuple[str | int, ...], message: str, value: object) -> str:
    if kind == "extra_forbidden":
        known = list(_section_at(loc[:-1]).model_fields)
        close = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
        return f"there is no such key; {hint}"
    text = message.removeprefix("Value error, ")
    shown = "" if isinstance(value, BaseModel | dict) else f" (found {value!r})"
    return text[:1].lower() + text[1:] + shown


def _section_at(loc: Sequence[str | int]) -> type[BaseModel]:
    """Return the section class that stands at a path of keys."""
    section: type[BaseModel] = Config
    for part in loc:
        field = section.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if isinstance(annotation, type) and issubclass(annotation, Section):
            section = annotation
    return section


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: write it as section.key=value")
    *sections, last = key.strip().split(".")
    place = values
    for name in sections:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {override}: '{name}' is a value, not a section")
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from None


def dump(config: Config) -> str:
    """Return the resolved config as YAML, every key present."""
    return dump_values(config.model_dump(mode="json"))


def dump_values(values: dict[str, Any]) -> str:
    """Return as YAML what a result says of its config, of whatever version."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def schema() -> str:
    """Return the JSON schema of a config, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2)


def template(name: str) -> str:
    """Return a commented config with every key at its default, to edit."""
    lines = [
        "# A smoecast run. Every key is optional; what stands here is the default.",
        f"name: {name}  # {Config.model_fields['name'].description}",
    ]
    for key, field in Config.model_fields.items():
        if key != "name":
            lines += _described(key, field, getattr(Config(), key), 0)
    return "\n".join(lines) + "\n"


def _described(key: str, field: FieldInfo, value: Any, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(value, Section):
        lines = ["", f"{pad}{key}:  # {field.description}"] if depth == 0 else []
        lines = lines or [f"{pad}{key}:  # {field.description}"]
        for name, inner in type(value).model_fields.items():
            lines += _described(name, inner, getattr(value, name), depth + 1)
        return lines
    plain = TypeAdapter(type(value)).dump_python(value, mode="json")
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("...\n").strip()
    choices = get_args(field.annotation)
    words = [c for c in choices if isinstance(c, str)]
    note = f"{field.description}" + (f" [{' | '.join(words)}]" if words else "")
    return [f"{pad}{key}: {text}  # {note}"]
