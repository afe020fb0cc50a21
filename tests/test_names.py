"""The table of names is consistent, and channel names mean what they say."""

import pytest

from smoecast import names


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [("2t", "t2m"), ("geopotential", "z"), ("air", "t"), ("10m_u_component_of_wind", "u10")],
)
def test_foreign_names(foreign: str, ours: str) -> None:
    variable = names.variable_of(foreign)
    assert variable is not None
    assert variable.name == ours


def test_unknown_names_are_none() -> None:
    assert names.variable_of("flux_capacitance") is None
    assert names.variable_of_param(999_999) is None
    assert names.parse_channel("x500") is None
    with pytest.raises(ValueError, match="x500 is no channel"):
        names.channel_of("x500")
    assert names.parse_channel("t2m500") is None
    assert names.parse_channel("z") is None
    assert names.parse_channel("tp6") is None


def test_params_lead_to_variables() -> None:
    found = names.variable_of_param(167)
    assert found is names.VARIABLES["t2m"]


@pytest.mark.parametrize(
    "name", ["z500", "t850", "t2m", "u10", "tsig995", "orography", "tp6h", "lntp6h", "lat2d"]
)
def test_channels_round_trip(name: str) -> None:
    channel = names.parse_channel(name)
    assert channel is not None
    assert channel.name == name


def test_no_name_serves_two_variables() -> None:
    every = [n for v in names.VARIABLES.values() for n in {v.name, v.cds_name, *v.aliases}]
    assert len(every) == len(set(every))
    params = [v.param_id for v in names.VARIABLES.values() if v.param_id]
    assert len(params) == len(set(params))
