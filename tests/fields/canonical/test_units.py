"""Units: spellings that mean the same, conversions worked by hand, and refusals."""

import pytest

from smoecast.errors import InputError
from smoecast.fields.canonical.units import (
    conversion,
    hectopascals,
    is_unit_of,
    unit_refusal,
)
from smoecast.variables import VARIABLES


@pytest.mark.parametrize(
    ("name", "unit", "value", "si"),
    [
        ("t", "K", 280.0, 280.0),
        ("t", "degK", 280.0, 280.0),
        ("t2m", "C", 0.0, 273.15),
        ("t2m", "Celsius", -273.15, 0.0),
        ("t2m", "degrees_C", 10.0, 283.15),
        ("z", "m**2 s**-2", 49000.0, 49000.0),
        ("z", "m^2/s^2", 49000.0, 49000.0),
        ("z", "gpm", 5000.0, 49033.25),
        ("z", "m", 5000.0, 49033.25),
        ("z", "dam", 500.0, 49033.25),
        ("orography", "m", 100.0, 980.665),
        ("u", "m s**-1", 10.0, 10.0),
        ("u", "m.s-1", 10.0, 10.0),
        ("u10", "km/h", 36.0, 10.0),
        ("ws10", "knots", 10.0, 5.1444),
        ("msl", "hPa", 1013.25, 101325.0),
        ("sp", "millibars", 1013.25, 101325.0),
        ("sp", "kPa", 101.325, 101325.0),
        ("w", "Pascal/s", 0.1, 0.1),
        ("r", "%", 55.0, 0.55),
        ("tcc", "(0 - 1)", 0.55, 0.55),
        ("tcc", "okta", 4.0, 0.5),
        ("q", "g/kg", 8.0, 0.008),
        ("q", "kg kg**-1", 0.008, 0.008),
        ("tp", "mm", 12.0, 0.012),
        ("tp", "kg m**-2", 12.0, 0.012),
        ("tp", "m", 0.012, 0.012),
        ("sf", "m of water equivalent", 0.012, 0.012),
        ("sf", "kg m**-2", 12.0, 0.012),
        ("sd", "kg m**-2", 12.0, 12.0),
        ("sd", "m of water equivalent", 0.012, 12.0),
        ("tcc", "%", 55.0, 0.55),
        ("tcc", "1", 55.0, 55.0),  # what contradicts its unit is not guessed at
        ("siconc", "%", 55.0, 0.55),
        ("ssrd", "J m**-2", 3.6e6, 3.6e6),
        ("ssrd", "W h m-2", 1000.0, 3.6e6),
        ("tcwv", "mm", 20.0, 20.0),
        ("slt", "(Code table 4.213)", 3.0, 3.0),
        ("slt", "~", 3.0, 3.0),
        ("lsm", None, 1.0, 1.0),
    ],
)
def test_conversion(name, unit, value, si):
    factor, offset = conversion(VARIABLES[name], unit, "a.nc")
    assert factor * value + offset == pytest.approx(si, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_knows_its_own_unit(name):
    variable = VARIABLES[name]
    assert conversion(variable, variable.units, "a.nc") == (1.0, 0.0)


@pytest.mark.parametrize(
    ("name", "unit", "said"),
    [
        ("t2m", "degF", "'degF'"),
        ("t2m", "", "''"),
        ("t2m", None, "no unit"),
        ("r", None, "no unit"),
        ("tp", "mm/day", "'mm/day'"),
        ("tp", "kg m**-2 s**-1", "'kg m\\*\\*-2 s\\*\\*-1'"),
        ("sd", "m", "'m'"),  # of snow, which is no water
        ("u", "K", "'K'"),
    ],
)
def test_refuses_other_units(name, unit, said):
    wanted = VARIABLES[name].units
    with pytest.raises(InputError, match=rf"a\.nc: {name} .*{said}.*'{wanted}'"):
        conversion(VARIABLES[name], unit, "a.nc")


@pytest.mark.parametrize(
    ("unit", "factor"), [("Pa", 0.01), ("hPa", 1.0), ("millibars", 1.0), ("1", None), (None, None)]
)
def test_hectopascals(unit, factor):
    assert hectopascals(unit) == factor


def test_a_unit_that_is_none_of_a_variable():
    assert is_unit_of(VARIABLES["tp"], "mm")
    assert unit_refusal(VARIABLES["tp"], "mm") == ""
    assert not is_unit_of(VARIABLES["siconc"], "J/kg")
    words = "(sea ice area fraction) has the unit 'J/kg', '1' or a spelling of it is expected"
    assert unit_refusal(VARIABLES["siconc"], "J/kg") == words
