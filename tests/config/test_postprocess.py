"""The protocol of a calibration decides its years."""

import pytest

from smoecast.config import yaml_file
from smoecast.config.postprocess import ENS10_SPLIT, PostprocessAdvanced
from smoecast.errors import ConfigError


def test_the_protocol_of_the_paper_brings_its_years() -> None:
    config = yaml_file.parse("postprocess: {protocol: ens10-paper}", "run.yaml")
    assert config.postprocess.split == ENS10_SPLIT
    assert yaml_file.parse(yaml_file.dump(config), "again.yaml") == config
    assert yaml_file.parse("{}", "run.yaml").postprocess.split != ENS10_SPLIT


def test_other_years_are_another_protocol() -> None:
    text = "postprocess: {protocol: ens10-paper, split: {train: 0.7, validation: 0.1, test: 0.2}}"
    with pytest.raises(ConfigError, match="trains on 1998 to 2015, has no validation part"):
        yaml_file.parse(text, "run.yaml")


def test_no_validation_part_goes_with_dates() -> None:
    periods = "train: [2001-01-01, 2001-12-31], test: [2002-01-01, 2002-12-31]"
    split = f"data: {{split: {{{periods}, validation: 0.0}}}}"
    assert yaml_file.parse(split, "run.yaml").data.split.validation == 0.0
    with pytest.raises(ConfigError, match="either all fractions or all dates"):
        yaml_file.parse(f"data: {{split: {{{periods}, validation: 0.1}}}}", "run.yaml")


@pytest.mark.parametrize("section", ["forecast", "postprocess"])
def test_a_layout_is_for_netcdf(section: str) -> None:
    text = f"{section}: {{layout: cdo, format: grib}}"
    with pytest.raises(ConfigError, match="layout cdo is for format netcdf, not grib"):
        yaml_file.parse(text, "run.yaml")


@pytest.mark.parametrize("method", ["mlp", "lenet", "unet", "transformer", "smoe"])
def test_a_network_has_no_season_and_no_window(method: str) -> None:
    for key in ("season: harmonic", "window_days: 30"):
        with pytest.raises(ConfigError, match="for methods emos and mbm only"):
            yaml_file.parse(f"postprocess: {{method: {method}, {key}}}", "run.yaml")


@pytest.mark.parametrize("method", ["raw", "emos", "mbm", "transformer"])
@pytest.mark.parametrize("key", ["member_counts: [5]", "lead_statistics: apart"])
def test_only_networks_of_mean_and_spread_learn_from_some_members(method: str, key: str) -> None:
    text = f"postprocess: {{method: {method}, advanced: {{{key}}}}}"
    with pytest.raises(ConfigError, match=f"methods mlp, lenet, unet, smoe, not for {method}"):
        yaml_file.parse(text, "run.yaml")


def test_a_number_of_members_is_named_once_and_has_a_spread() -> None:
    for numbers, why in (("[5, 5]", "names a number twice"), ("[1, 5]", "greater than or equal")):
        text = f"postprocess: {{method: smoe, advanced: {{member_counts: {numbers}}}}}"
        with pytest.raises(ConfigError, match=why):
            yaml_file.parse(text, "run.yaml")


def test_what_came_later_is_said_only_where_it_is_set() -> None:
    assert PostprocessAdvanced().model_dump() == {"correction_units": "spread"}
    text = "postprocess: {method: smoe, advanced: {member_counts: [10, 5]}}"
    config = yaml_file.parse(text, "run.yaml")
    assert config.postprocess.advanced.model_dump()["member_counts"] == (10, 5)
    assert yaml_file.parse(yaml_file.dump(config), "again.yaml") == config
