"""Units, words and colours of quantities."""

import numpy as np
import pytest

from smoecast.errors import ConfigError
from smoecast.tasks.plot.cartography import quantities as q

FIELD = [np.linspace(250.0, 310.0, 100).reshape(10, 10)]


@pytest.mark.parametrize(
    ("channel", "asked", "value", "shown", "label"),
    [
        ("t2m", (), 273.15, 0.0, "\N{DEGREE SIGN}C"),
        ("t850", ("K",), 273.15, 273.15, "K"),
        ("z500", (), 49033.25, 5000.0, "gpm"),
        ("z500", ("m2 s-2",), 100.0, 100.0, "m² s⁻²"),
        ("msl", (), 101325.0, 1013.25, "hPa"),
        ("tp", (), 0.002, 2.0, "mm"),
        ("r850", (), 0.5, 50.0, "%"),
        ("u10", ("K",), 3.0, 3.0, "m s⁻¹"),
        ("lntp6h", (), 1.0, 1.0, "1"),
    ],
)
def test_units_are_those_of_forecasters(
    channel: str, asked: tuple[str, ...], value: float, shown: float, label: str
) -> None:
    unit = q.unit_of(channel, asked)
    assert value * unit.factor + unit.offset == pytest.approx(shown)
    assert unit.label == label


def test_a_unit_that_no_channel_has_is_refused() -> None:
    q.check_units(["K", "gpm"], ["t2m", "z500"])
    with pytest.raises(ConfigError, match="--units gpm: no unit of t2m: give C or K"):
        q.check_units(["gpm"], ["t2m"])


def test_words_say_level_and_height() -> None:
    assert q.describe("z500", q.unit_of("z500")) == "Geopotential height at 500 hPa (z500)"
    assert q.describe("z500") == "Geopotential at 500 hPa (z500)"
    assert q.describe("t2m") == "2 metre temperature (t2m)"


def test_signed_fields_are_about_zero_which_is_white() -> None:
    for scale in (
        q.value_scale("u10", [FIELD[0] - 260], q.unit_of("u10")),
        q.difference_scale([FIELD[0] - 300], "K"),
    ):
        assert scale.colours == q.DIVERGING
        assert scale.levels == pytest.approx(-scale.levels[::-1])
        assert scale.ticks == pytest.approx(-scale.ticks[::-1])
        assert 0 not in scale.levels


def test_what_is_never_negative_begins_at_zero() -> None:
    for scale in (
        q.value_scale("ws10", [FIELD[0] - 245], q.unit_of("ws10")),
        q.spread_scale([FIELD[0] - 245], "K"),
    ):
        assert scale.levels[0] == 0
        assert scale.ends == "max"


def test_levels_hold_the_field_and_one_value_has_levels_too() -> None:
    scale = q.value_scale("t2m", FIELD, q.unit_of("t2m"))
    assert scale.levels[0] <= 251
    assert scale.levels[-1] >= 309
    assert len(scale.ticks) <= 12
    for value in (0.0, 280.0, -3.0):
        levels = q.value_scale("t2m", [np.full((2, 2), value)], q.unit_of("t2m")).levels
        assert levels[0] <= value <= levels[-1]
        assert len(levels) > 1
    assert q.chance_scale().levels[-1] == 100


def test_a_difference_of_temperatures_is_in_kelvin() -> None:
    assert q.difference_label(q.unit_of("t2m")) == "K"
    assert q.difference_label(q.unit_of("z500")) == "gpm"
