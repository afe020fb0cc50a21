"""What a shell offers where a value is to be typed: names, formats, kinds, keys of a config.

Each takes what is typed so far and returns what could stand there.
"""

from collections.abc import Iterator


def models(incomplete: str) -> list[str]:
    """Return the names of models in the zoo."""
    from smoecast import zoo

    return _begin(zoo.names(), incomplete)


def cards(incomplete: str) -> list[str]:
    """Return the names of all in the zoo that has a card."""
    from smoecast import zoo

    return _begin([*zoo.names(), *zoo.experiments()], incomplete)


def keys(incomplete: str) -> list[str]:
    """Return keys of a config, with the sign after which their value is typed."""
    from smoecast.config.run import Config

    return _begin(sorted(_walk(Config)), incomplete)


def channels(incomplete: str) -> list[str]:
    """Return channels, those on pressure levels at 500 hPa."""
    from smoecast.tasks.inspect.channels import list_variables

    return _begin([v["example"] for v in list_variables()["variables"]], incomplete)


def tasks(incomplete: str) -> list[str]:
    """Return what `config init --for` knows."""
    from smoecast.config.template import TASKS

    return _begin(TASKS, incomplete)


def benchmarks(incomplete: str) -> list[str]:
    """Return what `bench` measures."""
    from smoecast.tasks.bench.bench import ALL, CASES

    return _begin([*CASES, ALL], incomplete)


def formats(incomplete: str) -> list[str]:
    """Return the formats of forecasts."""
    return _begin(_choices("forecast", "format"), incomplete)


def formats_of_ensembles(incomplete: str) -> list[str]:
    """Return the formats of calibrated ensembles."""
    return _begin(_choices("postprocess", "format"), incomplete)


def layouts(incomplete: str) -> list[str]:
    """Return the layouts of NetCDF."""
    return _begin(_choices("forecast", "layout"), incomplete)


def _begin(words: "Iterator[str] | list[str] | dict[str, str]", incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _choices(section: str, key: str) -> list[str]:
    from typing import get_args

    from smoecast.config.run import Config

    kind = Config.model_fields[section].annotation
    return list(get_args(kind.model_fields[key].annotation))  # type: ignore[union-attr]


def _walk(section: type, before: str = "") -> Iterator[str]:
    from smoecast.config.section import Section

    for name, field in section.model_fields.items():  # type: ignore[attr-defined]
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _walk(kind, f"{before}{name}.")
        else:
            yield f"{before}{name}="
