"""Which row of the table a message is: levels and steps as ECMWF, NCEP and others code them."""

from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest
from made_grib import message, temperature, write

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import LeftOut, left_out_of
from smoecast.fields.read.grib.keys import Keys
from smoecast.fields.read.grib.open import open_grib
from smoecast.fields.read.grib.quantities import quantity_of

NCEP = {"centre": "kwbc"}
TIGGE, S2S = {"productionStatusOfProcessedData": 4}, {"productionStatusOfProcessedData": 6}
SCREEN = {"scaleFactorOfFirstFixedSurface": 1, "scaledValueOfFirstFixedSurface": 15}  # 1.5 m
AVERAGE = {"productDefinitionTemplateNumber": 8, "typeOfStatisticalProcessing": 0}
SUM, MAXIMUM = (
    AVERAGE | {"typeOfStatisticalProcessing": 1},
    AVERAGE | {"typeOfStatisticalProcessing": 2},
)


def of(number: tuple[int, int, int], surface: int, height: int | None = None, **keys: Any) -> bytes:
    """Return a message of GRIB 2 of a parameter on a surface, as its code tables number them."""
    names = ("discipline", "parameterCategory", "parameterNumber")
    on = {"typeOfFirstFixedSurface": surface}
    if height is not None:
        on |= {"scaleFactorOfFirstFixedSurface": 0, "scaledValueOfFirstFixedSurface": height}
    # the template first: it brings defaults
    first = {k: v for k, v in keys.items() if k.startswith(("productDef", "centre"))}
    rest = {k: v for k, v in keys.items() if k not in first}
    given = first | dict(zip(names, number, strict=True)) | on | rest
    return message("regular_ll_sfc_grib2", 5.0, **given)


def found(one: bytes) -> str:
    """Return the name of the variable that a message is, or of what is left out and why."""
    handle = eccodes.codes_new_from_message(one)
    try:
        quantity = quantity_of(Keys(handle))
    finally:
        eccodes.codes_release(handle)
    return str(quantity) if isinstance(quantity, LeftOut) else quantity.name


PRESSURE, CLOUD, TEMPERATURE, WIND, GUST, RAIN = (
    *((0, 3, 0), (0, 6, 1), (0, 0, 0), (0, 2, 2), (0, 2, 22), (0, 1, 8)),
)
ON_GROUND = "sp is read on the ground alone"
ON_PRESSURE = "z is read on pressure levels alone"
OF_ALL = "tcc is read of the whole atmosphere alone"
AT_ONCE, IN_SUM = "is read at a moment alone", "is read as a sum over time alone"


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (of(PRESSURE, 1), "sp"),
        (of(PRESSURE, 6), f"pres on maxWind ({ON_GROUND})"),
        (of(PRESSURE, 7), "trpp on tropopause"),
        (of(PRESSURE, 242, **NCEP), f"pres on convectiveCloudBottom ({ON_GROUND})"),
        (of(PRESSURE, 103, 80), f"pres at 80 m ({ON_GROUND})"),
        (of(PRESSURE, 101), "msl"),
        (of((0, 3, 1), 101), "msl"),
        (of(PRESSURE, 1, **AVERAGE), f"avg_sp on surface (sp {AT_ONCE})"),
        (of(CLOUD, 10, **NCEP), "tcc"),
        (of(CLOUD, 200, **NCEP), "tcc"),
        (of(CLOUD, 1, typeOfSecondFixedSurface=8), "tcc"),
        (of(CLOUD, 214, **NCEP), f"tcc on lowCloudLayer ({OF_ALL})"),
        (of(CLOUD, 224, **NCEP), f"tcc on middleCloudLayer ({OF_ALL})"),
        (of(CLOUD, 234, **NCEP), f"tcc on highCloudLayer ({OF_ALL})"),
        (of(CLOUD, 211, **NCEP), f"tcc on boundaryLayerCloudLayer ({OF_ALL})"),
        (of(CLOUD, 100, 50_000, **NCEP), f"tcc on isobaricInhPa ({OF_ALL})"),
        (of(CLOUD, 10, **NCEP, **AVERAGE), f"tcc of step type avg (tcc {AT_ONCE})"),
        (of(TEMPERATURE, 103, 2), "t2m"),
        (of(TEMPERATURE, 103, 80), "t at 80 m (t is read on pressure levels alone)"),
        (of(TEMPERATURE, 1), "t on surface (t is read on pressure levels alone)"),
        (of(TEMPERATURE, 100, 50_000), "t"),
        (of(TEMPERATURE, 100, 50_000, **AVERAGE), f"avg_t on isobaricInhPa (t {AT_ONCE})"),
        (of(WIND, 103, 10), "u10"),
        (of(WIND, 103, 10, **MAXIMUM), f"max_10u on heightAboveGround (u10 {AT_ONCE})"),
        (of(WIND, 103, 100), "100u on heightAboveGround"),
        (of(WIND, 109, 2, **NCEP), "u on potentialVorticity (u is read on pressure levels alone)"),
        (of(GUST, 103, 10), "i10fg"),
        (of(GUST, 103, 10, **MAXIMUM), "fg10"),
        (of(GUST, 1, **NCEP), "gust on surface"),
        (of(RAIN, 1, **NCEP, **SUM), "tp"),
        (of(RAIN, 1, **NCEP, **AVERAGE), f"tp of step type avg (tp {IN_SUM})"),
        (of((0, 1, 52), 1, **SUM), "tp"),
        (of((0, 1, 53), 1, **SUM), "sf"),
        (of((0, 1, 60), 1), "sd"),
        (of((0, 3, 5), 1), "orography"),
        (of((0, 3, 5), 7), "gh on tropopause (z is read on pressure levels alone)"),
        (of((2, 0, 0), 1), "lsm"),
        (of((0, 4, 7), 8, **SUM), "tisr"),
        (of((10, 2, 0), 1), "siconc"),
        (of((0, 1, 3), 200, **NCEP), "pwat on atmosphereSingleLayer"),
        (of(TEMPERATURE, 103, 2, **S2S, **AVERAGE), f"2t of step type avg (t2m {AT_ONCE})"),
        (of(CLOUD, 1, typeOfSecondFixedSurface=8, **S2S), "tcc"),
        (of(TEMPERATURE, 103, **SCREEN, centre="egrr"), "t2m"),
        (of(TEMPERATURE, 103, **SCREEN, **TIGGE), "t2m"),
        (of((0, 1, 52), 1, centre="lfpw", **SUM), "tp"),
        (of((0, 1, 1), 103, 2, **NCEP), "2r on heightAboveGround"),
    ],
)  # fmt: skip
def test_levels_and_steps_of_grib_2(one: bytes, words: str) -> None:
    assert found(one) == words


def of_1(centre: int | str, table: int, param: int, **keys: Any) -> bytes:
    given = {"centre": centre, "table2Version": table, "indicatorOfParameter": param}
    return message("regular_ll_sfc_grib1", **given, **keys)


def ecmwf(param: int, table: int = 128, **keys: Any) -> bytes:
    return of_1(98, table, param, **keys)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (ecmwf(167), "t2m"),
        (ecmwf(167, indicatorOfTypeOfLevel=105, level=2), "t2m"),
        (ecmwf(167, timeRangeIndicator=3), f"2t of step type avg (t2m {AT_ONCE})"),
        (ecmwf(167, timeRangeIndicator=123), f"2t of step type avgua (t2m {AT_ONCE})"),
        (ecmwf(167, timeRangeIndicator=51), f"2t of step type 51 (t2m {AT_ONCE})"),
        (ecmwf(201, timeRangeIndicator=2), "mx2t on surface"),
        (ecmwf(151), "msl"),
        (ecmwf(134), "sp"),
        (ecmwf(54, indicatorOfTypeOfLevel=7), f"pres on tropopause ({ON_GROUND})"),
        (ecmwf(164), "tcc"),
        (ecmwf(186), "lcc on surface"),
        (ecmwf(228), "tp"),
        (ecmwf(228, timeRangeIndicator=4), "tp"),
        (ecmwf(228, 228, timeRangeIndicator=4), "tp"),
        (ecmwf(49, timeRangeIndicator=2), "fg10"),
        (ecmwf(49), "fg10"),
        (ecmwf(28, 228, timeRangeIndicator=2), "fg10_3h"),
        (ecmwf(123, timeRangeIndicator=2), "fg10_6h"),
        (ecmwf(29, 228), "i10fg"),
        (ecmwf(129), "orography"),
        (ecmwf(129, indicatorOfTypeOfLevel=109, level=1), f"z on hybrid ({ON_PRESSURE})"),
        (ecmwf(212, timeRangeIndicator=4), "tisr"),
        (ecmwf(141), "sd"),
        (of_1("kwbc", 2, 71, indicatorOfTypeOfLevel=200), "tcc"),
        (of_1("kwbc", 2, 71, indicatorOfTypeOfLevel=214), f"tcc on unknown ({OF_ALL})"),
        (of_1(82, 1, 224), "ci on surface"),
        (of_1(233, 253, 65), "sf on surface"),
    ],
)  # fmt: skip
def test_levels_and_steps_of_grib_1(one: bytes, words: str) -> None:
    assert found(one) == words


def test_a_file_like_one_of_gfs_says_why_surface_pressure_is_missing(tmp_path: Path) -> None:
    path = write(
        tmp_path / "gfs.grb2", of(PRESSURE, 6), of(PRESSURE, 103, 80), of(TEMPERATURE, 103, 2)
    )
    dataset = open_grib(path)
    assert channels_of(dataset) == ["t2m"]
    assert list(left_out_of(dataset)) == [
        LeftOut("pres on maxWind", ON_GROUND, "sp"),
        LeftOut("pres at 80 m", ON_GROUND, "sp"),
    ]
    words = r"the channel sp is not in the data, which has t2m \(left out: pres on maxWind \(sp is "
    with pytest.raises(InputError, match=words):
        field_of(dataset, "sp")


def test_every_kind_of_level_is_told_apart(tmp_path: Path) -> None:
    """Pressure on the ground and where the wind is strongest in one file: the right one is read."""
    ground = message("regular_ll_sfc_grib2", 700.0, shortName="sp")
    path = write(tmp_path / "a.grb2", of(PRESSURE, 6), ground, of(CLOUD, 214, **NCEP))
    values = field_of(open_grib(path), "sp").values
    np.testing.assert_array_equal(values.ravel(), 700.0 + np.arange(12))


def test_winds_at_10_metres_and_at_10_hpa_in_one_file(tmp_path: Path) -> None:
    aloft = [
        message("regular_ll_pl_grib2", value, shortName=name, level=level)
        for value, name, level in ((1e2, "u", 500), (2e2, "u", 10), (3e2, "v", 10), (4e2, "v", 500))
    ]
    path = write(
        tmp_path / "a.grib2", *aloft, message("regular_ll_sfc_grib2", 9e2, shortName="10u")
    )
    dataset = open_grib(path)
    assert channels_of(dataset) == ["u10", "u500", "u_10hPa", "v500", "v_10hPa"]
    corners = {name: field_of(dataset, name).values.flat[0] for name in channels_of(dataset)}
    assert corners == {"u10": 900, "u500": 100, "u_10hPa": 200, "v500": 400, "v_10hPa": 300}


def test_winds_at_10_hpa_alone_are_not_those_at_10_metres(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.grib", *(temperature(shortName=n, level=at) for n in "uv" for at in (10, 500))
    )
    words = "the channel u10 is not in the data.*; the eastward wind on 10 hPa is called u_10hPa"
    with pytest.raises(InputError, match=words):
        field_of(open_grib(path), "u10")


def test_units_of_grib_2_become_ours(tmp_path: Path) -> None:
    """Precipitation and snow in kg m-2, cloud in percent, as ERA6 will have them."""
    forecasts = {"dataType": "fc"}
    made = [
        ((0, 1, 52), 1, SUM),
        ((0, 1, 53), 1, SUM),
        ((0, 1, 60), 1, {}),
        (CLOUD, 1, {"typeOfSecondFixedSurface": 8}),
    ]
    path = write(tmp_path / "a.grib2", *(of(n, on, **keys, **forecasts) for n, on, keys in made))
    dataset = open_grib(path)
    corners = {name: float(field_of(dataset, name).values.flat[0]) for name in channels_of(dataset)}
    assert corners == pytest.approx({"tp": 0.005, "sf": 0.005, "sd": 5.0, "tcc": 0.05})
