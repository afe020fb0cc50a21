"""GRIB results: what others read there, written whole or not at all."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cfgrib
import made_results
import numpy as np
import pytest
import xarray as xr
from made_results import LATITUDE, LONGITUDE, PLACE, messages
from write_whole import write_grib

from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.fields import checksums
from smoecast.fields.channels import field_of
from smoecast.fields.left_out import describe, left_out_of
from smoecast.fields.read.open import open_file
from smoecast.fields.read.results import read_attributes
from smoecast.fields.write.grib import verify as grib_verify
from smoecast.fields.write.grib import writer
from smoecast.fields.write.grib.parameters import PARAMETERS
from smoecast.variables import VARIABLES

STARTS = made_results.STARTS[:3]
"""In blocks of two: a whole one and a short one."""
forecasts = partial(made_results.forecasts, starts=len(STARTS))
calibrated = partial(made_results.calibrated, starts=len(STARTS))
HALF = 2.0**-24
"""Of a field's range: what packing may change."""


def within_packing(found: xr.DataArray, written: xr.DataArray) -> None:
    """Values are those that were written, but for half a step of the packing and float32."""
    span = float(written.max() - written.min())
    assert float(np.abs(found.values - written.values).max()) <= HALF * (span + 600)


def opened(path: Path, **keys: Any) -> xr.Dataset:
    """Open a file as a user of cfgrib does."""
    found = xr.open_dataset(
        path,
        engine="cfgrib",
        decode_timedelta=True,
        backend_kwargs={"indexpath": "", "filter_by_keys": keys, "errors": "raise"},
    )
    return found.load()


# ---- forecasts


@pytest.mark.parametrize("members", [(), (0, 1, 2)])
def test_our_own_reader_takes_it_back(tmp_path: Path, members: tuple[int, ...]) -> None:
    made = forecasts(members=members)
    write_grib(made, tmp_path / "f.grib")
    back = open_file(tmp_path / "f.grib")
    dims = ("init_time", "lead_time", *(["number"] if members else []), *PLACE)
    for name in made.data_vars:
        field = field_of(back, str(name))
        assert field.dims == dims
        within_packing(field, made[name])
    for name in dims:
        np.testing.assert_array_equal(back[name], made[name])
    assert back.attrs["title"] == "made"


def test_winds_at_10_hpa_and_at_10_metres(tmp_path: Path) -> None:
    made = forecasts("u10", "u_10hPa", "u500")
    write_grib(made, tmp_path / "f.grib")
    back = open_file(tmp_path / "f.grib")
    for name in made.data_vars:
        within_packing(field_of(back, str(name)), made[name])


def test_what_was_read_is_written_the_same_again(tmp_path: Path) -> None:
    made = forecasts("t2m", "z500", members=(0, 1))
    write_grib(made, tmp_path / "a.grib")
    back = open_file(tmp_path / "a.grib")
    again = xr.Dataset({"t2m": back["t2m"], "z500": field_of(back, "z500")}, attrs=made.attrs)
    write_grib(again, tmp_path / "b.grib")
    assert (tmp_path / "a.grib").read_bytes() == (tmp_path / "b.grib").read_bytes()


def test_cfgrib_opens_forecasts(tmp_path: Path) -> None:
    made = forecasts("z500", "z850", "t2m", "u10", "msl")
    write_grib(made, tmp_path / "f.grib")
    levels = opened(tmp_path / "f.grib", typeOfLevel="isobaricInhPa")
    assert list(levels.data_vars) == ["z"]
    assert levels["z"].dims == ("time", "step", "isobaricInhPa", *PLACE)
    assert levels["z"].attrs["units"] == "m**2 s**-2"
    within_packing(levels["z"].sel(isobaricInhPa=850), made["z850"])
    ground = opened(tmp_path / "f.grib", shortName="2t")
    assert list(ground.data_vars) == ["t2m"]
    assert ground["t2m"].attrs["GRIB_dataType"] == "fc"
    assert ground["t2m"].attrs["units"] == "K"
    np.testing.assert_array_equal(ground["time"], STARTS)
    np.testing.assert_array_equal(ground["step"], made["lead_time"])
    np.testing.assert_array_equal(ground["latitude"], LATITUDE)
    np.testing.assert_array_equal(ground["longitude"], LONGITUDE)
    assert float(ground["heightAboveGround"]) == 2
    valid = ground["time"] + ground["step"]
    np.testing.assert_array_equal(ground["valid_time"], valid)
    within_packing(ground["t2m"], made["t2m"])
    assert float(opened(tmp_path / "f.grib", shortName="10u")["heightAboveGround"]) == 10
    assert len(cfgrib.open_datasets(str(tmp_path / "f.grib"), {"indexpath": ""})) == 4


def test_cfgrib_opens_ensembles(tmp_path: Path) -> None:
    made = forecasts("t2m", members=(0, 1, 5))
    write_grib(made, tmp_path / "f.grib")
    found = opened(tmp_path / "f.grib")
    assert found["number"].values.tolist() == [0, 1, 5]
    assert found["t2m"].attrs["GRIB_dataType"] == "pf"
    assert found["t2m"].attrs["GRIB_totalNumber"] == 3
    within_packing(found["t2m"].transpose("time", "step", "number", *PLACE), made["t2m"])


def test_nothing_lies_beside_it(tmp_path: Path) -> None:
    write_grib(forecasts(members=(0, 1)), tmp_path / "f.grib")
    assert [p.name for p in tmp_path.iterdir()] == ["f.grib"]


def test_messages_stand_by_time_whatever_the_blocks(tmp_path: Path) -> None:
    write_grib(forecasts("z500", "t2m", members=(0, 1)), tmp_path / "f.grib")
    keys = ("validityDate", "dataDate", "dataTime", "endStep", "shortName", "number")
    found = [tuple(m[key] for key in keys[1:]) for m in messages(tmp_path / "f.grib", *keys)]
    wanted = [
        (day, hour, lead, name, member)
        for day, hour in ((20200101, 0), (20200101, 1200), (20200102, 0))
        for lead in (6, 24, 48)
        for name in ("z", "2t")
        for member in (0, 1)
    ]
    assert found == wanted


def test_minutes(tmp_path: Path) -> None:
    made = forecasts("t2m", hours=(0, 0.5, 1, 30.25))
    write_grib(made, tmp_path / "f.grib")
    np.testing.assert_array_equal(opened(tmp_path / "f.grib")["step"], made["lead_time"])
    np.testing.assert_array_equal(open_file(tmp_path / "f.grib")["lead_time"], made["lead_time"])


def test_blocks_of_members_take_their_order(tmp_path: Path) -> None:
    made = forecasts("z500", "t2m", members=(0, 1, 2)).compute()
    write_grib(made, tmp_path / "whole.grib")
    with writer.grib_writer(made, tmp_path / "blocks.grib") as append:
        for starts in (slice(0, 2), slice(2, None)):
            for member in range(3):
                append(made.isel(init_time=starts, number=[member]))
    assert (tmp_path / "blocks.grib").read_bytes() == (tmp_path / "whole.grib").read_bytes()


def test_fields_that_never_came_are_told(tmp_path: Path) -> None:
    made = forecasts("t2m", members=(0, 1)).compute()
    words = r"f\.grib: \d+ fields never came"
    with (
        pytest.raises(OutputError, match=words),
        writer.grib_writer(made, tmp_path / "f.grib") as append,
    ):
        append(made.isel(number=[0]))
    assert not list(tmp_path.iterdir())


# ---- quantities

INSTANT = [name for name, p in PARAMETERS.items() if p.process is None]
TAKEN = [name for name, p in PARAMETERS.items() if p.process is not None]


WITH_HOURS = {"tp6h": "tp", "fg10_3h": "fg10", "fg10_6h": "fg10"}
"""GRIB has one parameter for both."""


def channel(name: str) -> str:
    return f"{name}500" if VARIABLES[name].vertical == "pressure" else name


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_quantity_is_known_by_its_parameter(tmp_path: Path, name: str) -> None:
    made = forecasts(channel(name), hours=(6, 24), starts=1)
    write_grib(made, tmp_path / "f.grib", accumulation_hours=6)
    keys = ("paramId", "shortName", "localTablesVersion", "parameterNumber", "centre")
    first = next(messages(tmp_path / "f.grib", *keys))
    assert first["paramId"] == PARAMETERS[name].param_id
    assert first["shortName"] != "unknown"
    assert first["localTablesVersion"] == 0
    assert first["parameterNumber"] < 192
    back = open_file(tmp_path / "f.grib")
    ours = WITH_HOURS.get(name, name)
    found = field_of(back, channel(ours))
    np.testing.assert_allclose(found, made[channel(name)], rtol=2e-7, atol=2e-7)


def test_what_ecmwf_calls_them() -> None:
    """Where the WMO has the unit of ECMWF's own parameter, it is that parameter."""
    others = {n for n, p in PARAMETERS.items() if p.param_id != VARIABLES[n].param_id}
    assert others == {*WITH_HOURS, "fg10", "tp", "cp", "sf", "sd", "tcc"}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize(("hours", "steps"), [(6, ["0-6", "18-24"]), (0, ["0-6", "0-24"])])
def test_sums_and_maxima_are_of_an_interval(
    tmp_path: Path, name: str, hours: int, steps: list[str]
) -> None:
    made = forecasts(name, hours=(6, 24), members=(0, 1), starts=1)
    write_grib(made, tmp_path / "f.grib", accumulation_hours=hours)
    keys = (
        "stepRange",
        "stepType",
        "productDefinitionTemplateNumber",
        "hourOfEndOfOverallTimeInterval",
    )
    found = list(messages(tmp_path / "f.grib", *keys))
    own = {"tp6h": ["0-6", "18-24"], "fg10_6h": ["0-6", "18-24"], "fg10_3h": ["3-6", "21-24"]}
    assert [m["stepRange"] for m in found[:4:2]] == own.get(name, steps)
    assert found[0]["stepType"] == ("max" if name.startswith("fg10") else "accum")
    assert found[0]["productDefinitionTemplateNumber"] == 11
    assert found[0]["hourOfEndOfOverallTimeInterval"] == 6
    np.testing.assert_array_equal(opened(tmp_path / "f.grib")["step"], made["lead_time"])


def test_an_interval_that_ends_between_hours(tmp_path: Path) -> None:
    made = forecasts("tp", hours=(1.5, 2))
    write_grib(made, tmp_path / "f.grib", accumulation_hours=1)
    found = list(messages(tmp_path / "f.grib", "stepRange"))
    assert [m["stepRange"] for m in found[:2]] == ["30m-90m", "1-2"]
    np.testing.assert_array_equal(open_file(tmp_path / "f.grib")["lead_time"], made["lead_time"])


# ---- calibrated ensembles


def test_each_product_has_a_template_of_its_own(tmp_path: Path) -> None:
    write_grib(calibrated(), tmp_path / "c.grib", calibrated=True)
    keys = (
        *("productDefinitionTemplateNumber", "dataType", "typeOfGeneratingProcess"),
        *("derivedForecast", "number", "numberOfForecastsInEnsemble", "percentileValue"),
        *("probabilityType", "scaledValueOfLowerLimit", "scaleFactorOfLowerLimit"),
        *("scaledValueOfUpperLimit", "scaleFactorOfUpperLimit"),
    )
    found = list(messages(tmp_path / "c.grib", *keys))
    assert len(found) == 3 * 3 * 10
    told = [tuple(m[key] for key in keys) for m in found[:10]]
    none = (None,) * 5
    assert told == [
        (2, "fc", 13, 0, None, 3, None, *none),
        (2, "cp", 6, 4, None, 3, None, *none),
        *((1, "pf", 11, None, number, 3, None, *none) for number in range(3)),
        (6, "cp", 13, None, None, None, 10, *none),
        (6, "cp", 13, None, None, None, 50, *none),
        (5, "ep", 5, None, None, None, None, 3, 27315, 2, *told[7][-2:]),
        (5, "ep", 5, None, None, None, None, 3, 280, 0, *told[8][-2:]),
        (5, "ep", 5, None, None, None, None, 4, *told[9][-4:-2], -15, 1),
    ]


def test_cfgrib_opens_each_product(tmp_path: Path) -> None:
    made = calibrated()
    write_grib(made, tmp_path / "c.grib")
    for keys, wanted in (
        ({"dataType": "fc"}, made["t2m_mean"]),
        ({"derivedForecast": 4}, made["t2m_std"]),
        ({"percentileValue": 50}, made["t2m_quantile"].sel(quantile=0.5)),
        (
            {"scaledValueOfLowerLimit": 280},
            100 * made["t2m_probability_above"].isel({"t2m_threshold_above": 1}),
        ),
        (
            {"probabilityType": 4},
            100 * made["t2m_probability_below"].isel({"t2m_threshold_below": 0}),
        ),
    ):
        found = opened(tmp_path / "c.grib", **keys)["t2m"]
        assert found.dims == ("time", "step", *PLACE)
        within_packing(found, wanted)
    members = opened(tmp_path / "c.grib", dataType="pf")["t2m"]
    within_packing(members.transpose("time", "step", "number", *PLACE), made["t2m"])


def test_we_read_the_members_and_no_statistic_for_values(tmp_path: Path) -> None:
    made = calibrated()
    write_grib(made, tmp_path / "c.grib")
    back = open_file(tmp_path / "c.grib")
    assert list(back.data_vars) == ["t2m"]
    within_packing(back["t2m"], made["t2m"])
    left_out = describe(left_out_of(back))
    for words in ("derivedForecast 4", "percentileValue 10", "probabilityType 3"):
        assert words in left_out
    write_grib(made[["t2m_mean", "t2m_std"]], tmp_path / "m.grib", members=3)
    with pytest.raises(InputError, match=r"no variable .* but 2t as mean or spread \(derivedFo"):
        open_file(tmp_path / "m.grib")
    sizes = {
        m["numberOfForecastsInEnsemble"]
        for m in messages(tmp_path / "m.grib", "numberOfForecastsInEnsemble")
    }
    assert sizes == {3}


def test_thresholds_are_in_the_unit_of_grib(tmp_path: Path) -> None:
    share = forecasts("tp", members=(0,), hours=(24,))["tp"].rename(number="tp_threshold_above")
    made = xr.Dataset({"tp_probability_above": share.assign_coords(tp_threshold_above=[0.0001])})
    write_grib(made, tmp_path / "p.grib", accumulation_hours=24)
    keys = (
        "scaledValueOfLowerLimit",
        "scaleFactorOfLowerLimit",
        "productDefinitionTemplateNumber",
        "stepRange",
    )
    first = next(messages(tmp_path / "p.grib", *keys))
    assert [first[key] for key in keys] == [1, 1, 9, "0-24"]  # 0.1 kg m-2


# ---- members that are missing, and values


def test_a_missing_member_has_a_bitmap(tmp_path: Path) -> None:
    made = forecasts("t2m", members=(0, 1))
    gone = (made["init_time"] == STARTS[1]) & (made["number"] == 1)
    made["t2m"] = made["t2m"].where(~gone)
    write_grib(made, tmp_path / "f.grib", gaps=True)
    assert sum(m["bitmapPresent"] for m in messages(tmp_path / "f.grib", "bitmapPresent")) == 3
    for field in (
        open_file(tmp_path / "f.grib")["t2m"],
        opened(tmp_path / "f.grib")["t2m"].transpose("time", "step", "number", *PLACE),
    ):
        np.testing.assert_array_equal(np.isnan(field), np.isnan(made["t2m"]))
        within_packing(field.fillna(0), made["t2m"].fillna(0))
    with pytest.raises(OutputError, match="t2m has 128 of 128 values in a field that are missing"):
        write_grib(made, tmp_path / "g.grib")
    assert [p.name for p in tmp_path.iterdir()] == ["f.grib"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e16])
def test_a_value_that_is_missing_keeps_the_file_away(tmp_path: Path, value: float) -> None:
    made = forecasts("t2m", members=(0, 1))
    made["t2m"] = made["t2m"].where(made["longitude"] != 45, value)
    with pytest.raises(OutputError, match="t2m has 8 of 128 values in a field that are missing"):
        write_grib(made, tmp_path / "f.grib", gaps=True)
    assert list(tmp_path.iterdir()) == []


# ---- grids


@pytest.mark.parametrize(
    "longitude",
    [
        np.arange(16) * 22.5,
        -180 + np.arange(16) * 22.5,
        10.5 + np.arange(16) * 22.5,
        -20 + np.arange(9) * 5.0,
        100 + np.arange(7) * 1 / 3,
    ],
)
@pytest.mark.parametrize("rows", ["north", "south", "gaussian", "poles"])
def test_grids(tmp_path: Path, longitude: np.ndarray, rows: str) -> None:
    latitude = {
        "north": np.linspace(70, 10, 8),
        "south": np.linspace(-70, 71.4, 8),
        "gaussian": np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(8)[0]))[::-1],
        "poles": np.linspace(90, -90, 9),
    }[rows]
    made = forecasts("t2m", hours=(6, 24), latitude=latitude, longitude=longitude, starts=2)
    write_grib(made, tmp_path / "f.grib")
    found = opened(tmp_path / "f.grib")["t2m"]
    kind = "regular_gg" if rows == "gaussian" else "regular_ll"
    assert found.attrs["GRIB_gridType"] == kind
    np.testing.assert_allclose(found["latitude"], latitude, atol=1e-6)
    away = (found["longitude"].values - longitude + 180) % 360 - 180
    np.testing.assert_allclose(away, 0, atol=1e-6)
    assert found.attrs["GRIB_jScansPositively"] == (rows == "south")
    within_packing(found, made["t2m"])
    back = open_file(tmp_path / "f.grib")["t2m"].isel(init_time=0, lead_time=0)
    places = longitude % 360 if back["longitude"].min() >= 0 else longitude
    near = back.sel(latitude=latitude, longitude=places, method="nearest", tolerance=1e-3)
    written = made["t2m"].isel(init_time=0, lead_time=0)
    np.testing.assert_allclose(near.values, written.values, rtol=1e-6)


# ---- what GRIB cannot say


def uneven(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(latitude=[80.0, 60, 50, 30, 0, -30, -50, -80])


REFUSALS: list[tuple[Callable[[], xr.Dataset], dict[str, Any], str]] = [
    (lambda: forecasts("tsig995"), {}, "no parameter for tsig995: leave it out, or write NetCDF"),
    (lambda: forecasts("lntp6h"), {}, "no parameter for lntp6h"),
    (lambda: forecasts("tp"), {}, r"over which hours tp is taken.*set accumulation_hours"),
    (lambda: forecasts("tp6h", hours=(3, 6)), {}, "tp6h is taken over 6 h.*cannot say 3 h ahead"),
    (
        lambda: forecasts("tp", hours=(0, 6)),
        {"accumulation_hours": 0},
        "tp is taken since the start of the forecast.*cannot say 0 h ahead",
    ),
    (lambda: forecasts("tp", "tp6h"), {"accumulation_hours": 1}, "tp and tp6h are one parameter"),
    (lambda: forecasts("t2m", hours=(1 / 7,)), {}, "whole minutes from 0 on, not 0.14.* h"),
    (lambda: forecasts("t2m", hours=(-6,)), {}, "whole minutes from 0 on, not -6 h"),
    (lambda: forecasts("t2m", members=range(255)), {}, "up to 254, not to 255"),
    (lambda: forecasts("t2m", members=(0, 300)), {}, "up to 254, not to 300"),
    (
        lambda: calibrated()[["t2m_quantile"]].assign_coords(quantile=[0.025, 0.5]),
        {},
        "whole percents, and 0.025 is none",
    ),
    (
        lambda: calibrated()[["t2m_probability_above"]].assign_coords(
            t2m_threshold_above=[273.123456789012, 280]
        ),
        {},
        "all digits of the threshold t2m>273.123: round it",
    ),
    (lambda: uneven(forecasts("t2m")), {}, "latitudes.* from 80 to -80 are not"),
    (
        lambda: forecasts("t2m", longitude=np.array([0.0, 1, 2, 4])),
        {},
        "longitudes from 0 to 4 are not",
    ),
    (
        lambda: forecasts("t2m", longitude=np.arange(4000) * 0.0720005),
        {},
        "in millionths of a degree",
    ),
    (lambda: forecasts("t2m", latitude=np.array([50.0])), {}, "no grid of 1 x 16 points"),
]


@pytest.mark.parametrize(("make", "options", "words"), REFUSALS)
def test_what_grib_cannot_say_is_refused_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], xr.Dataset],
    options: dict[str, Any],
    words: str,
) -> None:
    def work(*_: object) -> None:
        raise AssertionError("a block was taken before it was refused")

    monkeypatch.setattr(writer, "locate", work)
    with pytest.raises(ConfigError, match=words) as caught:
        write_grib(make(), tmp_path / "f.grib", **options)
    assert "NetCDF (--format netcdf)" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_projection_is_refused(tmp_path: Path) -> None:
    made = forecasts("t2m").rename(
        latitude="projection_y_coordinate", longitude="projection_x_coordinate"
    )
    made = made.assign_coords(
        projection_y_coordinate=np.arange(8) * 1e3, projection_x_coordinate=np.arange(16) * 1e3
    )
    with pytest.raises(ConfigError, match="not on 8 x 16 points of a projection without a name"):
        write_grib(made, tmp_path / "f.grib")


def test_what_is_no_forecast_is_refused(tmp_path: Path) -> None:
    made = forecasts("t2m")
    with pytest.raises(InputError, match="this data has no lead_time"):
        write_grib(made.isel(lead_time=0, drop=True), tmp_path / "f.grib")
    with pytest.raises(InputError, match="t2m_range is nothing that a GRIB result holds"):
        write_grib(made.rename(t2m="t2m_range"), tmp_path / "f.grib")
    late = made.assign_coords(init_time=STARTS + np.timedelta64(5, "s"))
    with pytest.raises(InputError, match="starts of whole minutes"):
        write_grib(late, tmp_path / "f.grib")


# ---- whole, or not at all


def test_attributes_and_checksums_are_in_it(tmp_path: Path) -> None:
    write_grib(forecasts("t2m").assign_attrs(note=None, config='{"a":"é"}'), tmp_path / "f.grib")
    said = {"title": "made", "seed": 3, "config": '{"a":"é"}'}
    assert read_attributes(tmp_path / "f.grib") == said | {checksums.MARK: checksums.IN_GRIB}
    checksums.check(tmp_path / "f.grib", whole=True)


def test_a_file_that_is_not_confirmed_is_not_kept(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OutputError("the input changed")

    write_grib(forecasts("t2m"), tmp_path / "f.grib")
    before = (tmp_path / "f.grib").read_bytes()
    with pytest.raises(OutputError, match="the input changed"):
        write_grib(forecasts("t2m") + 1, tmp_path / "f.grib", confirm=refuse)
    assert (tmp_path / "f.grib").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["f.grib"]


def test_a_place_that_takes_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it cannot be written"):
        write_grib(forecasts("t2m"), tmp_path / "file" / "f.grib")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is a pipe, which is not replaced"):
        write_grib(forecasts("t2m"), tmp_path / "pipe")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "_append", full)
    with pytest.raises(OutputError, match=r"No space left on device.*make room"):
        write_grib(forecasts("t2m"), tmp_path / "f.grib")
    assert list(tmp_path.iterdir()) == []


Damage = Callable[[Path], None]


def cut(part: Path) -> None:
    """Take the last message away."""
    content = part.read_bytes()
    part.write_bytes(content[: content.rindex(b"GRIB")])


def flip(part: Path) -> None:
    """Change one value of the last field."""
    content = bytearray(part.read_bytes())
    content[-6] ^= 64
    part.write_bytes(content)


def empty(part: Path) -> None:
    part.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, r"t2m was not stored right \(8 messages of 9\)"),
        (flip, r"t2m was not stored right \(its values\)"),
        (empty, "cfgrib cannot open what was written"),
    ],
)
def test_what_did_not_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage, words: str
) -> None:
    whole = checksums.seal_grib

    def seal(part: Path, attributes: dict[str, Any]) -> None:
        whole(part, attributes)
        damage(part)

    monkeypatch.setattr(checksums, "seal_grib", seal)
    with pytest.raises(OutputError, match=words):
        write_grib(forecasts("t2m"), tmp_path / "f.grib")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("time", {"init_time": STARTS + np.timedelta64(1, "h")}),
        ("step", {"lead_time": np.array([6, 24, 49], "m8[h]").astype("m8[ns]")}),
        ("number", {"number": [0, 2]}),
        ("latitude", {"latitude": LATITUDE + 0.01}),
        ("longitude", {"longitude": LONGITUDE + 0.01}),
        ("longitude", {"longitude": np.concatenate([LONGITUDE[1:], [360.0]])}),
    ],
)
def test_a_coordinate_that_others_read_differently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moved: dict[str, Any]
) -> None:
    whole = grib_verify.verify

    def verify(part: Path, path: Path, dataset: xr.Dataset, *rest: Any) -> None:
        whole(part, path, dataset.assign_coords(moved), *rest)

    monkeypatch.setattr(writer, "verify", verify)
    with pytest.raises(OutputError, match=rf"t2m was not stored right \({name}\): run again"):
        write_grib(forecasts("t2m", members=(0, 1)), tmp_path / "f.grib")


def test_values_are_compared_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grib_verify, "BLOCK_BYTES", 2 * 4 * 3 * 2 * 8 * 16)
    write_grib(forecasts("t2m", members=(3, 1)), tmp_path / "f.grib")
    assert open_file(tmp_path / "f.grib")["number"].values.tolist() == [1, 3]


# ---- other programs


@pytest.mark.skipif(shutil.which("cdo") is None, reason="cdo is not installed")
def test_cdo_finds_times_members_and_values(tmp_path: Path) -> None:
    def cdo(*words: object) -> list[str]:
        line = ["cdo", "-s", *map(str, words)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout.split()

    made = calibrated()[["t2m_mean", "t2m_std", "t2m"]]
    path = tmp_path / "c.grib"
    write_grib(made, path, calibrated=True)
    valid = (made["init_time"] + made["lead_time"]).values.ravel().astype("M8[s]")
    assert cdo("showtimestamp", path) == [str(time) for time in valid]
    assert cdo("npar", path) == ["5"]  # mean, spread and three members
    values = np.array(cdo("outputf,%.7g,1", "-selgridcell,1", path), float).reshape(3, 3, 5)
    for at, wanted in enumerate(
        (made["t2m_mean"], made["t2m_std"], *made["t2m"].transpose("number", ...))
    ):
        np.testing.assert_allclose(values[..., at], wanted[..., 0, 0], rtol=1e-6)
    assert "lonlat" in " ".join(cdo("griddes", path))
    write_grib(forecasts("z500", "z850", "t2m", "tp6h"), path)
    assert cdo("showname", path) == ["z", "2t", "tp"]
    assert cdo("showlevel", "-selname,z", path) == ["50000", "85000"]


def test_earthkit_finds_times_members_and_values(tmp_path: Path) -> None:
    earthkit = pytest.importorskip("earthkit.data")
    made = calibrated()[["t2m_mean", "t2m_std", "t2m"]]
    write_grib(made, tmp_path / "c.grib")
    fields = earthkit.from_source("file", str(tmp_path / "c.grib")).to_fieldlist()
    assert len(fields) == 3 * 3 * 5
    found = fields.sel({"metadata.dataType": "pf"}).to_xarray()["2t"].squeeze()
    assert found["member"].values.tolist() == ["0", "1", "2"]
    np.testing.assert_array_equal(found["forecast_reference_time"], STARTS)
    np.testing.assert_array_equal(found["step"], made["lead_time"])
    by_time = found.transpose("forecast_reference_time", "step", "member", *PLACE)
    within_packing(by_time, made["t2m"])
    spread = fields.sel({"metadata.derivedForecast": 4}).to_xarray()["2t"]
    within_packing(spread.squeeze(), made["t2m_std"])
