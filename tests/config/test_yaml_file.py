"""A config is read, overridden, explained and written back."""

import json
import os
from datetime import date
from pathlib import Path

import pytest
import yaml

from smoecast.config import yaml_file
from smoecast.config.network import Smoe, SmoeAdvanced
from smoecast.config.postprocess import Postprocess
from smoecast.config.run import Config
from smoecast.config.training import Training
from smoecast.errors import ConfigError


def test_dump_gives_back_the_config() -> None:
    expected = Config(name="mine")
    assert yaml_file.parse(yaml_file.dump(expected), "t") == expected


def test_load_applies_overrides_in_order(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("training: {epochs: 3}\n")
    config = yaml_file.load(path, ["training.epochs=5", "training.epochs=7", "name=other"])
    assert (config.training.epochs, config.name) == (7, "other")


def test_an_empty_file_is_the_defaults() -> None:
    assert yaml_file.parse("", "t") == Config()


def test_exponents_without_a_dot_are_numbers() -> None:
    # YAML 1.1 reads 1e-3 as text
    assert yaml_file.parse("training: {learning_rate: 1e-3}", "t").training.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("traning: {}", "did you mean 'training'"),
        ("training: {epoch: 3}", "training.epoch: there is no such key; did you mean 'epochs'"),
        ("network: {smoe: {damp: 1}}", "did you mean 'advanced.damping'"),
        ("network: {smoe: {layer: all}}", "did you mean 'layers'"),
        ("network: {smoe: {advanced: {damp: 1}}}", "did you mean 'damping'"),
        ("network: {smoe: {preset: best}}", "should be 'comparative' or 'paper'"),
        ("network: {smoe: {preset: [paper]}}", "should be 'comparative' or 'paper'"),
        ("network: {smoe: {preset: paper, advanced: 3}}", "advanced: this is a section"),
        ("network: {smoe: {advanced: {expansion_at: {x: 2}}}}", "a list of places holds"),
        ("network: {smoe: {expansion: {last: 8}}}", "stand in advanced.expansion_at"),
        ("network: {smoe: {experts_per_channel: {last: 8}}}", "advanced.experts_per_channel_at"),
        ("training: {zzz: 3}", "known here: epochs"),
        ("training: {epochs: 0}", "training.epochs: input should be greater"),
        ("data: {channels: [z5x]}", "'z5x' is no channel"),
        ("data: {channels: [hgt]}", "'hgt' is called z here: write it with its level in hPa: z500"),
        ("data: {channels: [u_850hPa]}", "'u_850hPa' is called u850 here"),
        ("data: {channels: [t2m, t2m]}", "named twice"),
        ("data: {split: {train: 0.9}}", "add up to 1.2"),
        ("data: {split: {train: [2001-01-01, 2002-01-01]}}", "all fractions or all dates"),
        ("sample: {history_hours: [6]}", "first entry must be 0"),
        ("sample: {lead_hours: [12, 6]}", "ascending"),
        ("sample: {targets: [t850], }\ndata: {channels: [t2m]}", "not in data.channels"),
        ("training: {channel_weights: {q500: 2.0}}", "no targets"),
        ("data: {source: files}", "names none"),
        ("a: 1\na: 2", "given twice"),
        ("- 3", "a set of sections"),
        ("data: [", "not valid YAML"),
        ("network: {smoe: {layers: some}}", "'none', 'first', 'last'"),
        (
            "network: {blocks: 1000000}",
            "network.blocks: input should be less than or equal to 200",
        ),
        ("network: {smoe: {layers: [hidden.12345678901]}}", "a list of places"),
        ("seed: -1", "seed: input should be greater than or equal to 0"),
        ("data: {years: 1979-20180000000}", "data.years: years are a list such as"),
        ("data: {planet: {start: 2001-02-30}}", "data.planet.start: input should be a valid date"),
        ("data: {planet: {start: 2001}}", "a day is written as 2001-12-31"),
        ("data: {planet: {years: 400}}", "400 years from 2001-01-01 end after 2261-12-31"),
        ("data: {split: {train: [20010101, 20011231]}}", "train.0: a day is written as"),
        ("data: {grid: .inf}", "data.grid: a grid is named by its spacing"),
        ("data: {grid: true}", "data.grid: a grid is named by its spacing"),
        ("data: {channels: [z5000000]}", "is no channel"),
        ('data: {channels: ["z500\\n"]}', "is no channel"),
        ("training: {learning_rate: .nan}", "should be a finite number"),
        ("training: {learning_rate: .inf}", "should be a finite number"),
        ("training: {channel_weights: {t2m: -1}}", "greater than or equal to 0"),
        ("evaluate: {boxes: {a: [1, .nan, 3, 4]}}", "should be a finite number"),
        ("evaluate: {events: [t2m>1e999]}", "the threshold is infinite"),
        ("training: [1]", "training: this is a section"),
        ("data:", "data: this is a section"),
        ('folder: "a\\0b"', "holds a control character"),
        (f"name: {'x' * 1000}", "at most 200 characters"),
        (f"training: {{epochs: {[1] * 1000}}}", "1, 1,...)"),
        (f"? {'k' * 5000}\n: 1", "kkk...: there is no such key"),
        ("name: a/b", "name: string should match"),
        ("name: ..", "name: string should match"),
        (f"name: {'a' * 101}", "name: string should match"),
        ("data: {run: ../a}", "data.run: string should match"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_key_and_mend(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.yaml") as caught:
        yaml_file.parse(text, "run.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("periods", "words"),
    [
        (["[2001-01-01, 2000-01-01]", "[2002-01-01, 2002-12-31]"], "ends before it begins"),
        (["[2001-01-01, 2002-06-01]", "[2002-01-01, 2002-12-31]"], "overlap"),
    ],
)
def test_periods_that_cannot_be(periods: list[str], words: str) -> None:
    text = f"data: {{split: {{train: {periods[0]}, validation: {periods[1]}, "
    text += "test: [2003-01-01, 2003-12-31]}}"
    with pytest.raises(ConfigError, match=words):
        yaml_file.parse(text, "run.yaml")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs", "section.key=value"),
        ("a..b=1", "section.key=value"),
        (".seed=1", "section.key=value"),
        ("data.planet.start=2001-02-30", "valid date"),
        (f"data.files=[{'[' * 5000}", "deeper than 20 levels"),
        ("=3", "section.key=value"),
        ("training.epochs=x", "valid integer"),
        ("training.epochs=[", "not valid YAML"),
        ("name.x=3", "'name' is a value"),
    ],
)
def test_a_wrong_override_is_explained(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
        yaml_file.parse("name: x", "run.yaml", [override])


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such config"):
        yaml_file.load(tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        yaml_file.load(binary)


def test_a_config_comes_through_a_pipe_but_from_no_folder_or_device(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"name: piped")
    os.close(writer)
    assert yaml_file.load(Path(f"/dev/fd/{reader}")).name == "piped"
    os.close(reader)
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match=f"^{path}: the config cannot be read"):
            yaml_file.load(path)


def test_a_section_named_by_an_alias_is_changed_alone() -> None:
    text = "training: &same {epochs: 3}\npostprocess: {training: *same}"
    config = yaml_file.parse(text, "t", ["training.epochs=5"])
    assert (config.training.epochs, config.postprocess.training.epochs) == (5, 3)


def test_days_in_yaml_are_days() -> None:
    config = yaml_file.parse(
        "data: {split: {train: [2001-01-01, 2001-12-31], validation: 0, test: 0}}\n"
        "forecast: {init_times: [2002-01-01]}",
        "t",
    )
    assert config.data.split.train == (date(2001, 1, 1), date(2001, 12, 31))
    assert config.forecast.init_times == ("2002-01-01",)


def test_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().name = "other"  # type: ignore[misc]


def test_schema_is_json_and_names_every_section() -> None:
    properties = json.loads(yaml_file.schema())["properties"]
    assert set(properties) == set(Config.model_fields)


def test_schema_has_the_keys_of_every_section_and_no_others() -> None:
    sections = json.loads(yaml_file.schema())["$defs"]
    for section in (Smoe, SmoeAdvanced, Training, Postprocess):
        told = sections[section.__name__]
        assert list(told["properties"]) == list(section.model_fields)
        assert told["additionalProperties"] is False
        assert "required" not in told
    assert sections["Smoe"]["properties"]["preset"]["enum"] == ["comparative", "paper"]
    assert sections["Smoe"]["properties"]["expansion"]["type"] == "number"


def test_dump_is_plain_yaml() -> None:
    assert yaml.safe_load(yaml_file.dump(Config()))["data"]["split"]["train"] == 0.7
