"""A page for each section of the config, from its classes: key, default, what it may be."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from smoecast.config.run import Config
from smoecast.config.section import Section


def pages() -> dict[str, str]:
    """Return the text of a page for each section, by its name; `run` has the keys of none."""
    fields = Config.model_fields
    alone = [name for name, field in fields.items() if not _section(field)]
    schema = Config.model_json_schema()
    top = {name: schema["properties"][name] for name in alone}
    first = "\n".join(
        ["# The run itself\n", "Keys that stand in no section.\n", *_table(Config, top, "", schema)]
    )
    made = {"run": first + "\n"}
    for name, field in fields.items():
        section = _section(field)
        if section:
            parts = list(_describe(name, section, str(field.description), schema, 1))
            made[name] = "\n".join(parts)
    return made


def _section(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _describe(
    path: str, section: type[Section], words: str, schema: dict[str, Any], depth: int
) -> Iterator[str]:
    """Yield a heading, what a section is, its keys, and the sections in it."""
    properties = schema["$defs"][section.__name__]["properties"]
    fields = section.model_fields
    plain = {name: properties[name] for name in fields if not _section(fields[name])}
    yield f"{'#' * depth} {path}\n"
    yield f"{words[:1].upper()}{words[1:]}. {section.__doc__ or ''}".strip() + "\n"
    if plain:
        yield from _table(section, plain, f"{path}.", schema)
        yield ""
    for name, field in fields.items():
        inner = _section(field)
        if inner:
            yield from _describe(f"{path}.{name}", inner, str(field.description), schema, depth + 1)


def _table(
    section: type[Section], plain: dict[str, Any], before: str, schema: dict[str, Any]
) -> Iterator[str]:
    yield "| key | what it is | default | may be |"
    yield "|---|---|---|---|"
    for name, what in plain.items():
        default = json.dumps(what.get("default"), ensure_ascii=False)
        words = str(section.model_fields[name].description)
        cells = (f"`{before}{name}`", words, f"`{default}`", say_kind(what, schema))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def say_kind(what: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return in words what a value may be, from its part of the JSON schema."""
    if "$ref" in what:
        return say_kind(schema["$defs"][what["$ref"].rpartition("/")[2]], schema)
    if "enum" in what:
        return ", ".join(f"`{choice}`" for choice in what["enum"] if choice != "")
    either = what.get("anyOf") or what.get("oneOf")
    if either:
        return ", or ".join(dict.fromkeys(say_kind(one, schema) for one in either))
    return _say_plain(what, schema)


def _say_plain(what: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return the same of what is neither named elsewhere nor a choice."""
    kind = str(what.get("type"))
    if kind == "array":
        return _say_array(what, schema)
    if kind == "object":
        inner = what.get("additionalProperties")
        return (
            f"names, each with: {say_kind(inner, schema)}" if isinstance(inner, dict) else "names"
        )
    words = {"integer": "whole number", "number": "number", "boolean": "true or false"}
    words |= {"string": "text", "null": "nothing"}
    text = {"date": "a day", "path": "a path"}.get(what.get("format", ""), words.get(kind, ""))
    return f"{text}{_say_bounds(what)}" if text else "any value"


def _say_array(what: dict[str, Any], schema: dict[str, Any]) -> str:
    if "prefixItems" in what:
        kinds = [say_kind(item, schema) for item in what["prefixItems"]]
        return f"{len(kinds)} values, each: {', '.join(dict.fromkeys(kinds))}"
    if "items" not in what:
        return "an empty list"
    return f"list of: {say_kind(what['items'], schema)}"


def _say_bounds(what: dict[str, Any]) -> str:
    least, above = what.get("minimum"), what.get("exclusiveMinimum")
    most, below = what.get("maximum"), what.get("exclusiveMaximum")
    parts = [
        f"at least {least:g}" if least is not None else "",
        f"above {above:g}" if above is not None else "",
        f"at most {most:g}" if most is not None and most < 1e6 else "",
        f"below {below:g}" if below is not None and below < 1e6 else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f", {said}" if said else ""
