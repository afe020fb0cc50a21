"""What the runs and models of a page are, in words: a line a fact, a column a run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from smoecast import zoo
from smoecast.config.data import Data, Split
from smoecast.config.run import Config
from smoecast.fields.grid import place_from_dict
from smoecast.tasks.report.subjects import Subject
from smoecast.training.model_files import load_state

_ABSENT = "\N{EN DASH}"
_INNER_LINK = re.compile(r"\[([^\]]*)\]\((?!https?://)[^)]*\)")


@dataclass(frozen=True)
class Fact:
    """A line of the table of runs."""

    name: str
    values: list[str]


def list_facts(subjects: Sequence[Subject], parameters: Mapping[str, int]) -> list[Fact]:
    """Return what is known of each run; a fact that is known of none is left out.

    Parameters
    ----------
    subjects : sequence of Subject
    parameters : mapping of str to int
        Of the networks that were opened, by label.

    Raises
    ------
    ModelError
        What a model says of itself is damaged.
    """
    columns = [_facts_of(subject, parameters.get(subject.label)) for subject in subjects]
    names = dict.fromkeys(name for column in columns for name, text in column.items() if text)
    return [Fact(name, [column.get(name) or _ABSENT for column in columns]) for name in names]


def _facts_of(subject: Subject, parameters: int | None) -> dict[str, str]:
    found = {"what": "run" if subject.is_run else "model without a run"}
    found["title"] = zoo.card(subject.folder).partition("\n")[0].lstrip("# ")
    config = subject.config
    if config is not None:
        found |= _facts_of_config(config, subject)
    for place in (subject.model, subject.calibration):
        if place is not None:
            found |= _facts_of_model(load_state(place), parameters, place == subject.calibration)
    return found


def _facts_of_config(config: Config, subject: Subject) -> dict[str, str]:
    found = {}
    if subject.model is not None or subject.calibration is None:
        sample = config.sample
        found["channels"] = ", ".join(config.data.channels)
        found["fixed fields"] = ", ".join(config.data.constants) or "none"
        found["forecasts"] = ", ".join(config.targets)
        found["one step"] = _hours(sample.lead_hours)
        found["from"] = _hours(sample.history_hours, "the analysis", "before")
        found["network"] = describe_network(config)
    found["data"] = _say_data(config.data)
    if config.data.source != "none":
        found |= _say_split(config.data.split)
    if subject.calibration is not None:
        asked = config.postprocess
        found["calibration"] = f"{asked.method} of {', '.join(asked.targets)} at "
        found["calibration"] += _hours(asked.lead_hours)
    found["seed"] = str(config.seed)
    return found


def _hours(hours: Sequence[int], zero: str = "0 h", after: str = "") -> str:
    return ", ".join(f"{h} h {after}".rstrip() if h else zero for h in hours)


_LAYERS = {
    "smoe": "SMoE layers",
    "frozen": "a filter for each point",
    "local": "locally connected layers",
    "lowrank": "low-rank local layers",
    "coordconv": "CoordConv layers",
}


def describe_network(config: Config) -> str:
    """Return the network that a training of this config ends with, in a few words."""
    network = config.final_network
    words = f"{network.kind}, width {network.width}, blocks {network.blocks}"
    asked = network.smoe.layers
    if asked == "none" or network.convolution == "plain":
        return f"{words}, plain"
    layers = asked if isinstance(asked, str) else ", ".join(asked)
    origin = ", made of experts" if config.adds_experts_up else ""
    return f"{words}, {_LAYERS[network.convolution]}: {layers}{origin}"


def _say_data(data: Data) -> str:
    if data.source == "planet":
        return "simulated planet, no real weather"
    years = f", {data.years[0]} to {data.years[-1]}" if data.years else ""
    files = f" ({', '.join(path.rpartition('/')[2] for path in data.files)})" if data.files else ""
    return f"{data.source}{files}{years}"


def _say_split(split: Split) -> dict[str, str]:
    said = split.model_dump(mode="json")
    return {
        name: " to ".join(map(str, part)) if isinstance(part, list) else f"{part:g} of the times"
        for name, part in said.items()
        if part and isinstance(part, list | float)
    }


def _facts_of_model(
    state: dict[str, Any], parameters: int | None, calibrates: bool
) -> dict[str, str]:
    found = {}
    if parameters is not None and not calibrates:
        found["parameters"] = f"{parameters:,}"
    if isinstance(state.get("grid"), dict) and state["grid"].get("latitude"):
        found["grid"] = place_from_dict(state["grid"]).describe()
    trained = state.get("training")
    if isinstance(trained, dict):
        words = [said.format(trained[key]) for key, said in _TRAINED.items() if key in trained]
        name = "training of the calibration" if calibrates else "training"
        found[name] = ", ".join(words)
    if "smoecast" in state:
        found["trained by"] = f"smoecast {state['smoecast']}"
    return found


_TRAINED = {
    "epochs": "epochs: {}",
    "best_epoch": "best epoch: {}",
    "best_loss": "its validation loss: {:.4g}",
    "precision": "precision: {}",
}


def render_card(subject: Subject) -> Markup:
    """Return a model's card as HTML; empty where it has none.

    What is no plain Markdown in it is shown as text: no element, no picture and no address of a
    stranger's comes into the page, but for links to other sites, which nobody has to follow.
    """
    text = zoo.card(subject.folder)
    if not text:
        return Markup("")
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.validateLink = _is_public  # type: ignore[assignment, method-assign]
    # a link to a file beside the card leads nowhere from a page that travels alone
    text = _INNER_LINK.sub(r"\1", _demote(text))
    return Markup(parser.render(text))  # nosec B704


def _is_public(address: str) -> bool:
    return address.startswith(("https://", "http://"))


def _demote(text: str) -> str:
    """Return Markdown without its title, which stands above it already."""
    return text.partition("\n")[2] if text.startswith("# ") else text
