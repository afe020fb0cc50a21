"""What a shell offers where a value is to be typed: names, formats, kinds, keys of a config.

Each takes what is typed so far and returns what could stand there, with a word on it or without.
"""

from collections.abc import Iterator

PICTURES = {
    "maps": "of a run",
    "scores": "of a run or model",
    "skill": "of a run or model",
    "spread": "of an ensemble",
    "scorecard": "of a run or model",
    "ranks": "of a run or model",
    "reliability": "of a run or model",
    "training": "of a run or model",
    "routing": "of a run or model",
    "value": "of a file",
    "mean": "of a file",
    "member": "of a file",
    "probability": "of a file",
    "truth": "of a file beside its truth",
    "error": "of a file beside its truth",
}
"""Kinds of picture that `plot` draws; here so that a shell need not wait for what draws them."""
UNITS = ("C", "K", "gpm", "m2 s-2", "hPa", "Pa", "mm", "m", "g kg-1", "kg kg-1", "%", "1")
"""Units that one may choose between."""


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


def kinds(incomplete: str) -> list[tuple[str, str]]:
    """Return the kinds of picture, and what each is of."""
    return [(kind, PICTURES[kind]) for kind in _begin(PICTURES, incomplete)]


def regions(incomplete: str) -> list[str]:
    """Return the regions that are one box, as a map shows one."""
    from smoecast.names import REGIONS

    return _begin([name for name, boxes in REGIONS.items() if len(boxes) == 1], incomplete)


def units(incomplete: str) -> list[str]:
    """Return the units in which pictures can be drawn that are not the only ones."""
    return _begin(list(UNITS), incomplete)


def rivals(incomplete: str) -> list[str]:
    """Return what `evaluate --against` takes that is no file."""
    return _begin(["weatherbench"], incomplete)


def parts_of_ensembles(incomplete: str) -> list[str]:
    """Return what a calibrated ensemble may hold, after what is already named."""
    head, comma, last = incomplete.rpartition(",")
    words = ["members", "mean", "std", "quantiles=", "probabilities="]
    return [head + comma + word for word in _begin(words, last)]


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
