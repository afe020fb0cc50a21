"""Old keys: refused in what a person wrote, understood in what smoecast saved."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.renamed import RENAMED, upgrade, upgrade_identity
from smoecast.config.run import Config
from smoecast.errors import ConfigError

HOUSE = {
    "network.offset": "network.local_bias",
    "network.shortcut": "network.input_skip",
    "network.smoe.terms": "network.smoe.experts_per_channel",
    "network.smoe.judge": "network.smoe.advanced.routing_loss",
    "postprocess.shift": "postprocess.advanced.correction_units",
    "postprocess.where": "postprocess.coefficients",
    "postprocess.members_by": "postprocess.reordering",
    "sample.clock": "sample.time_features",
    "training.start_from": "training.initial_weights",
    "forecast.every_hours": "forecast.init_every_hours",
    "evaluate.climate_days": "evaluate.efi_window_days",
    "postprocess.network.smoe.share": "postprocess.network.smoe.advanced.share_gates",
    "postprocess.training.expert_factor": "postprocess.training.advanced.expert_factor",
}
OLD = {
    "preprocess": {"workers": 3, "scheduler": ""},
    "sample": {"clock": False},
    "network": {
        "offset": True,
        "smoe": {
            "expansion": {"last": 8.0},
            "terms": {"last": 4},
            "judge": "points",
            "bias": False,
        },
    },
    "training": {"start_from": "x", "expert_factor": 0.5},
    "postprocess": {"where": "pooled", "network": {"smoe": {"terms": 2, "expansion": 3.0}}},
}


def nested(path: str, value: object) -> dict[str, Any]:
    values: Any = value
    for name in reversed(path.split(".")):
        values = {name: values}
    return values


def get(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values[name] if isinstance(values, dict) else getattr(values, name)
    return values.model_dump() if isinstance(values, BaseModel) else values


def test_the_table_has_the_new_names() -> None:
    assert {old: RENAMED.get(old) for old in HOUSE} == HOUSE


@pytest.mark.parametrize("old", list(RENAMED))
def test_an_old_key_is_refused_with_its_new_name_and_place(old: str, tmp_path: Path) -> None:
    value = get(Config(), RENAMED[old])
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(nested(old, value)))
    result = CliRunner().invoke(app, ["config", "check", "-c", str(path)])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert f"keys have new names or places: {old} is now {RENAMED[old]}" in said
    # and there it is taken
    path.write_text(yaml.safe_dump(nested(RENAMED[old], value)))
    assert yaml_file.load(path) == Config()


def test_all_old_keys_are_named_at_once_also_those_of_overrides() -> None:
    with pytest.raises(ConfigError) as caught:
        yaml_file.parse("network: {offset: true}", "run.yaml", ["sample.clock=false"])
    for words in ("network.offset is now network.local_bias", "sample.clock is now sample.time_f"):
        assert words in str(caught.value)


def test_what_was_saved_is_read_as_it_was_meant() -> None:
    before = json.dumps(OLD)
    config = yaml_file.validate(upgrade(OLD), "t")
    assert json.dumps(OLD) == before
    assert config.network.smoe.sizes_at(["last"]) == (8.0, 4)
    assert config.network.smoe.sizes_at(["first"]) == (4.0, 1)
    assert config.postprocess.network.smoe.sizes_at(["last"]) == (3.0, 2)
    smoe = config.network.smoe.advanced
    assert (smoe.routing_loss, smoe.bias, smoe.routing) == ("points", False, "grouped")
    assert (config.network.local_bias, config.sample.time_features) == (True, False)
    assert (config.training.initial_weights, config.training.advanced.expert_factor) == ("x", 0.5)
    assert config.postprocess.coefficients == "pooled"
    assert config.compute.workers == 3


def test_names_of_today_stay() -> None:
    values = Config(network={"smoe": {"preset": "paper"}}).model_dump(mode="json")
    assert upgrade(values) == values
    assert upgrade_identity({"config": values, "data": 1}) == {"config": values, "data": 1}


@pytest.mark.parametrize(
    "values",
    [
        {"network": 3},
        {"network": {"smoe": [1], "offset": True, "local_bias": False}},
        {"network": {"smoe": {"advanced": 5, "bias": True, "expansion": {"last": 2}}}},
        {"training": {"advanced": None, "expert_factor": 1.0}},
    ],
)
def test_strange_values_are_left_to_be_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        yaml_file.validate(upgrade(values), "t")


@pytest.mark.parametrize("identity", [None, [1], {"config": 3, "fitted": "x"}])
def test_an_identity_that_is_none_stays(identity: object) -> None:
    assert upgrade_identity(identity) == identity
