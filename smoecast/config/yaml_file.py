"""Read, override and write a `smoecast.config.run.Config`.

YAML in, YAML out. Every mistake ends in one `ConfigError` that names the file, the key
and the mend.
"""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from smoecast.config.renamed import RENAMED, upgrade
from smoecast.config.run import Config
from smoecast.config.section import Section
from smoecast.config.yaml_text import MOST_BYTES, check_plain, one_line, read_yaml
from smoecast.disk.small_files import read_small
from smoecast.errors import ConfigError


def load(
    path: Path, overrides: Sequence[str] = (), *, pipe: bool = True, saved: bool = False
) -> Config:
    """Read a config file and apply ``section.key=value`` overrides to it.

    Parameters
    ----------
    path : Path
        A YAML file.
    overrides : sequence of str
        Each ``section.key=value``, the value in YAML.
    pipe : bool
        Whether the file may be a pipe.
    saved : bool
        Whether smoecast itself wrote it, perhaps a version that had other names for keys.

    Raises
    ------
    ConfigError
        The file is missing or no YAML, a key is unknown or given twice, a value does not fit.
    """
    try:
        text = read_small(path, MOST_BYTES, pipe=pipe).decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such config; `smoecast config init` writes one, "
            "`smoecast models list` names the ready ones"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: the config cannot be read ({why})") from None
    return parse(text, str(path), overrides, saved=saved)


def parse(text: str, source: str, overrides: Sequence[str] = (), *, saved: bool = False) -> Config:
    """Read a config from YAML text; `source` names it in messages. Raises as `load` does."""
    values = read_yaml(text, source)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: a config is a set of sections such as `data:`, not a value")
    if saved:
        values = upgrade(values)
    for override in overrides:
        _apply(values, override)
    return validate(values, source)


def validate(values: dict[str, Any], source: str) -> Config:
    """Turn plain values into a Config, or say in one sentence what is wrong with the first."""
    try:
        check_plain(values)
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first_problem(error)}") from None
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from None


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]
    keys = [".".join(map(str, p["loc"])) for p in unknown]
    renamed = [f"{key} is now {RENAMED[key]}" for key in keys if key in RENAMED]
    if renamed:
        return f"keys have new names or places: {', '.join(renamed)}"
    first = (unknown or problems)[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    key = one_line(".".join(str(part) for part in first["loc"] if not _is_branch(part)), 100)
    message = _explain(first["type"], first["loc"], first["msg"], first.get("input"))
    return f"{key + ': ' if key else ''}{message}{more}"


def _is_branch(part: str | int) -> bool:
    """Tell pydantic's names for branches of a union from keys."""
    return isinstance(part, str) and "[" in part


def _explain(kind: str, loc: tuple[str | int, ...], message: str, value: object) -> str:
    if kind == "extra_forbidden":
        section = _section_at(loc[:-1])
        known = {name: name for name in section.model_fields}
        if "advanced" in known:
            inner = _section_at([*loc[:-1], "advanced"]).model_fields
            known = {name: f"advanced.{name}" for name in inner} | known
        close = difflib.get_close_matches(str(loc[-1])[:100], known, n=1, cutoff=0.5)
        here = ", ".join(section.model_fields)
        hint = f"did you mean '{known[close[0]]}'?" if close else f"known here: {here}"
        return f"there is no such key; {hint}"
    if kind == "model_type":
        message = "this is a section, with keys of its own below it"
    text = one_line(message.removeprefix("Value error, "))
    shown = "" if isinstance(value, BaseModel | dict) else f" (found {one_line(repr(value), 60)})"
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
    source = f"--set {one_line(override, 100)}"
    key, equals, text = override.partition("=")
    *sections, last = path = [part.strip() for part in key.split(".")]
    if not equals or not all(path):
        raise ConfigError(f"{source}: write it as section.key=value")
    place = values
    for name in sections:
        inner = place.get(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{source}: '{one_line(name, 60)}' is a value, not a section")
        # a section that stands elsewhere too, by an alias, changes here alone
        place[name] = place = dict(inner)
    place[last] = read_yaml(text, source)


def dump(config: Config) -> str:
    """Return the resolved config as YAML, every key present."""
    return dump_values(config.model_dump(mode="json"))


def dump_values(values: dict[str, Any]) -> str:
    """Return as YAML what a result says of its config, of whatever version."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def schema() -> str:
    """Return the JSON schema of a config, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2)
