"""Channel names mean what they say, and no two things have one name."""

import pytest

from smoecast import names
from smoecast.variables import VARIABLES

LEVELS = range(1, 1101)
ALOFT = [v.name for v in VARIABLES.values() if v.vertical == "pressure"]


def test_unknown_names_are_none() -> None:
    assert names.parse_channel("x500") is None
    with pytest.raises(ValueError, match="x500 is no channel"):
        names.channel_of("x500")
    assert names.parse_channel("t2m500") is None
    assert names.parse_channel("z") is None
    assert names.parse_channel("tp6") is None


@pytest.mark.parametrize(
    "name", ["z500", "t850", "t2m", "u10", "tsig995", "orography", "tp6h", "lntp6h", "lat2d"]
)
def test_channels_round_trip(name: str) -> None:
    channel = names.parse_channel(name)
    assert channel is not None
    assert channel.name == name


def test_every_channel_has_a_name_of_its_own_that_is_read_as_the_same() -> None:
    channels = [names.Channel(VARIABLES[name], level) for name in ALOFT for level in LEVELS]
    channels += [names.Channel(v, None) for v in VARIABLES.values() if v.vertical != "pressure"]
    spelled = {channel.name: channel for channel in channels}
    assert len(spelled) == len(channels)
    assert [names.parse_channel(name) for name in spelled] == channels
    assert all(name.isidentifier() for name in spelled)


def test_only_the_winds_at_10_hpa_are_spelled_out() -> None:
    spelled = [names.channel_at(name, level) for name in ALOFT for level in LEVELS]
    assert [name for name in spelled if name.endswith("hPa")] == ["u_10hPa", "v_10hPa"]


@pytest.mark.parametrize(
    "name", ["u_850hPa", "u_010hPa", "u_10", "u_10hpa", "t2m_10hPa", "z500hPa"]
)
def test_other_spellings_are_no_channels(name: str) -> None:
    assert names.parse_channel(name) is None


def test_u10_is_the_wind_at_10_metres() -> None:
    assert names.channel_of("u10") == names.Channel(VARIABLES["u10"], None)
    assert names.channel_of("u_10hPa") == names.Channel(VARIABLES["u"], 10)
    assert names.parse_level("u10") == names.Channel(VARIABLES["u"], 10)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hgt", "'hgt' is called z here: write it with its level in hPa: z500"),
        ("slp", "'slp' is called msl here"),
        ("2t", "'2t' is called t2m here"),
        ("10u", "'10u' is called u10 here"),
        ("temperature", "'temperature' is called t here: write it with its level in hPa: t500"),
        ("2m_temperature", "'2m_temperature' is called t2m here"),
        ("PRMSL", "'PRMSL' is called msl here"),
        ("APCP", "'APCP' is called tp here"),
        ("HGT_500mb", "'HGT_500mb' is called z500 here"),
        ("gh500", "'gh500' is called z500 here"),
        ("T850", "'T850' is called t850 here"),
        ("u_850hPa", "'u_850hPa' is called u850 here"),
        ("UGRD10", "'UGRD10' is called u_10hPa here"),
        ("TMP_2maboveground", "'TMP_2maboveground' is called t2m here"),
        ("HGT_surface", "'HGT_surface' is called orography here"),
        ("t2m500", "'t2m500' is no channel: t2m has no levels"),
        ("z", "'z' needs its level in hPa: z500"),
        (
            "UGRD",
            "'UGRD' is called u500 (eastward wind) or u10 (10 metre eastward wind) here",
        ),
        ("flux_capacitance", ""),
        ("z0", ""),
        ("500", ""),
        ("", ""),
    ],
)
def test_the_names_of_others_are_answered_with_ours(name: str, words: str) -> None:
    assert names.explain_channel(name) == words


@pytest.mark.parametrize(
    ("name", "close"), [("tm2", "t2m"), ("zz500", "z500"), ("tt_850hPa", "t850"), ("frost", "")]
)
def test_a_name_nearly_right_is_known(name: str, close: str) -> None:
    assert names.suggest_channel(name) == close
