"""A key that decides a trained model is refused where it differs, and never recorded as true."""

import json
from pathlib import Path

import pytest
from made_models import config_of, forecast_model
from small_world import small_run
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError
from smoecast.fields.read.results import read_attributes
from smoecast.tasks.descriptions import read_description
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast.trained_keys import adopt_trained, find_difference
from smoecast.tasks.provenance import CONFIG


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sample.lead_hours=[12]", r"sample.lead_hours ([6], now [12])"),
        ("network.width=9", "network.width (8, now 9)"),
        ("network.smoe.expansion=2", "network.smoe.expansion (4.0, now 2.0)"),
        ("sample.time_features=false", "sample.time_features (true, now false)"),
    ],
)
def test_a_key_that_differs_is_refused(
    done: Config, tmp_path: Path, override: str, said: str
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(done))
    words = ["forecast", "-c", str(path), "-s", override, "-o", str(tmp_path / "f.nc")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert f"{done.model}: the model was trained with another {said}: leave" in result.output
    assert not (tmp_path / "f.nc").exists()


def test_what_is_not_given_is_recorded_as_it_was_trained(done: Config, tmp_path: Path) -> None:
    values = done.model_dump(mode="json", exclude={"sample", "network"})
    short = yaml_file.validate(values, "short.yaml")
    assert short.sample != done.sample
    forecast(short, models=[done.model], init_times=["2001-02-24"], output=tmp_path / "f.nc")
    said = json.loads(read_attributes(tmp_path / "f.nc")[CONFIG])
    assert said["sample"] == done.sample.model_dump(mode="json")
    assert said["network"] == done.network.model_dump(mode="json")


def test_of_several_models_one_is_as_the_config_says(tmp_path: Path) -> None:
    wide = read_description(forecast_model(tmp_path / "wide", "network.width=6"))
    slim = read_description(forecast_model(tmp_path / "slim"))
    assert adopt_trained(config_of(), [wide, slim]).network.width == 4
    with pytest.raises(ConfigError, match=r"wide: .* network.width \(6, now 7\)"):
        adopt_trained(config_of("network.width=7"), [wide, slim])


def test_a_recorded_config_can_be_read_again(tmp_path: Path, world: Path) -> None:
    model = read_description(forecast_model(tmp_path / "m", "sample.targets=[u250]"))
    asked = small_run(world, tmp_path)
    plain = asked.model_copy(update={"sample": Config().sample, "network": Config().network})
    adopted = adopt_trained(plain, [model])
    assert adopted.targets == ("u250",)
    assert yaml_file.parse(yaml_file.dump(adopted), "again") == adopted


def test_what_decides_nothing_may_differ() -> None:
    plain = config_of("network.smoe.layers=none")
    other = config_of("network.smoe={layers: none, expansion: 2}")
    assert find_difference(other, plain) == ""
    assert find_difference(config_of("network.smoe.preset=comparative"), config_of()) == ""
    assert find_difference(config_of(), config_of("network.convolution=frozen")) == ""
    assert find_difference(config_of("network.smoe.layers=none"), config_of()).startswith(
        "network.smoe.layers"
    )
