"""The config to begin with: short, explained, and the defaults."""

import pytest

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.config.template import TASKS, template, template_for
from smoecast.config.yaml_text import read_yaml
from smoecast.errors import ConfigError


def keys_of(values: object, path: str = "") -> set[str]:
    if not isinstance(values, dict) or not values:
        return {path}
    return {key for name, v in values.items() for key in keys_of(v, f"{path}.{name}")}


@pytest.mark.parametrize("every_key", [False, True])
def test_it_is_the_defaults_and_explains_every_key(every_key: bool) -> None:
    text = template("mine", every_key=every_key)
    assert yaml_file.parse(text, "t") == Config(name="mine")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all("  # " in line for line in lines)


def test_it_is_short_and_leaves_out_what_only_research_turns() -> None:
    text = template("mine")
    assert len(text.splitlines()) <= 90
    assert "advanced" not in text
    named = keys_of(read_yaml(text, "t"))
    assert {".network.smoe.preset", ".training.epochs", ".data.era5.area"} <= named
    late = {
        ".training.ema",
        ".network.kernel_size",
        ".evaluate.efi_window_days",
        ".compute.workers",
    }
    assert not named & late


def test_all_keys_are_all_there_are_and_each_is_there_once() -> None:
    """But for the second network and training, which say what differs."""
    named = keys_of(read_yaml(template("mine", every_key=True), "t"))
    wanted = keys_of(Config().model_dump(mode="json"))
    twice = (".postprocess.network", ".postprocess.training")
    wanted |= {f".{s}.{key}" for s in ("data", "postprocess") for key in ("select", "assume")}
    later = ("lead_statistics", "member_counts")
    wanted |= {f".postprocess.advanced.{key}" for key in later}
    wanted = {key for key in wanted if not key.startswith(tuple(f"{name}." for name in twice))}
    assert named == wanted | {*twice}


@pytest.mark.parametrize("task", TASKS)
def test_a_template_for_a_task_is_short_good_and_explained(task: str) -> None:
    text = template_for(task, "mine")
    assert yaml_file.parse(text, "t").name == "mine"
    lines = text.splitlines()
    assert len(lines) <= 30
    assert lines[0].startswith("# ")
    assert sum("  # " in line for line in lines) >= 4
    assert max(map(len, lines)) <= 100


def test_a_task_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'ensemble'.*there are forecast, ensemble"):
        template_for("ensembles", "mine")
