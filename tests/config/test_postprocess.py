"""The protocol of a calibration decides its years."""

import pytest

from smoecast.config import yaml_file
from smoecast.config.postprocess import ENS10_SPLIT
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
