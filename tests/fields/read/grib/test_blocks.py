"""A channel that is there twice, not everywhere or in two units is left out; the rest is read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_grib import member, message, refused, temperature, write

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import LeftOut, left_out_of
from smoecast.fields.read.grib.open import open_grib
from smoecast.fields.read.reading import Reading
from smoecast.fields.read.selection import Condition, Selection

HEIGHT = {"shortName": "gh", "dataDate": 20200101, "dataTime": 0}
GEOPOTENTIAL = HEIGHT | {"shortName": "z"}
WIND = {"shortName": "u", "dataDate": 20200101, "dataTime": 0}
RAIN = {"shortName": "tp", "typeOfLevel": "surface", "dataType": "fc", "dataTime": 0}
SINGLE = "regular_ll_sfc_grib1"


def rain(steps: str, value: float = 0.0) -> bytes:
    """Return precipitation of a forecast, accumulated over some of its steps."""
    return message(SINGLE, value, dataDate=20200101, **RAIN, stepType="accum", stepRange=steps)


def opened(path: Path, *messages: bytes) -> tuple[xr.Dataset, Sequence[LeftOut]]:
    dataset = open_grib(write(path / "a.grib", *messages))
    return dataset, left_out_of(dataset)


def assert_told(dataset: xr.Dataset, left: LeftOut) -> None:
    """Whoever asks for the channel hears the reason."""
    with pytest.raises(InputError) as caught:
        field_of(dataset, left.channel)
    assert left.reason in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- twice


def test_two_accumulations_of_one_forecast(tmp_path):
    """As a file of GFS has them: the one since the start, the other of the last six hours."""
    keys = {"dataType": "fc"}
    dataset, (left,) = opened(tmp_path, temperature(endStep=12, **keys), rain("0-12"), rain("6-12"))
    assert channels_of(dataset) == ["t500"]
    assert (left.name, left.channel) == ("tp", "tp")
    assert left.reason == (
        "messages 2 and 3 both hold tp for 2020-01-01T12:00: keep one of them with data.select: "
        "{not: {stepRange: 6-12}}"
    )
    assert_told(dataset, left)


def test_one_quantity_under_two_names(tmp_path):
    both = (message(level=500, **HEIGHT), message(level=500, **GEOPOTENTIAL))
    _, (left,) = opened(tmp_path, temperature(), *both)
    assert (left.name, left.channel) == ("gh", "z500")
    assert left.reason.endswith("keep one of them with data.select: {not: {shortName: z}}")


def test_the_same_message_twice(tmp_path):
    twice = "messages 1 and 2 both hold t500 for 2020-01-01T00:00: keep one of them"
    refused(write(tmp_path / "a.grib", temperature(), temperature(1.0)), f"{twice}$")
    dataset, (left,) = opened(tmp_path, temperature(), temperature(1.0), temperature(level=850))
    assert channels_of(dataset) == ["t850"]
    assert left.reason == twice


def test_two_experiments(tmp_path):
    local = {"setLocalDefinition": 1, "localDefinitionNumber": 1}
    one, two = (temperature(**local, experimentVersionNumber=v) for v in ("0001", "0005"))
    words = r"of the experiments 0001 and 0005: keep one .* data.select: {not: {expver: '0005'}}$"
    refused(write(tmp_path / "a.grib", one, two), words)


# ---- sums over other hours


def forecast_to(*ends: int) -> list[bytes]:
    """Return temperatures of a forecast, for each of its last hours."""
    return [temperature(endStep=end, dataType="fc") for end in ends]


@pytest.mark.parametrize(
    ("ranges", "clash", "mend"),
    [
        (["0-6", "6-9"], "2 and 3 are sums of tp over 0 to 6 h and over 6 to 9 h", "6-9"),
        (
            ["0-3", "0-6", "6-9", "6-12"],
            "3 and 4 are sums of tp over 0 to 6 h and over 6 to 9 h",
            "[6-9, 6-12]",
        ),
        (
            ["0-6", "6-12", "12-18", "18-21"],
            "3 and 5 are sums of tp over 6 to 12 h and over 18 to 21 h",
            "18-21",
        ),
    ],
)
def test_sums_over_hours_that_do_not_compare(tmp_path, ranges, clash, mend):
    """As a file of GFS has them: since the start, and over what followed."""
    ends = sorted({int(steps.split("-")[1]) for steps in ranges})
    dataset, (left,) = opened(tmp_path, *forecast_to(ends[-1]), *(rain(r) for r in ranges))
    assert channels_of(dataset) == ["t500"]
    assert (left.name, left.channel) == ("tp", "tp")
    assert left.reason == (
        f"messages {clash}, which do not compare: keep one kind with data.select: "
        f"{{not: {{stepRange: {mend}}}}}"
    )
    assert_told(dataset, left)


@pytest.mark.parametrize(
    "ranges", [["0-6"], ["0-3", "0-6", "0-9"], ["0-6", "6-12", "12-18"], ["0-0", "6-12", "12-18"]]
)
def test_sums_that_compare(tmp_path, ranges):
    ends = [int(steps.split("-")[1]) for steps in ranges]
    dataset, left_out = opened(tmp_path, *forecast_to(*ends), *(rain(r) for r in ranges))
    assert not left_out
    assert channels_of(dataset) == ["t500", "tp"]


def test_the_mend_of_sums_is_one(tmp_path):
    path = write(tmp_path / "a.grib", *forecast_to(6, 9), rain("0-6"), rain("6-9"))
    leaving = Selection((Condition("stepRange", ("6-9",), is_wanted=False),))
    dataset = open_grib(path, Reading(selections=(("*", leaving),)))
    assert channels_of(dataset) == ["t500", "tp"]
    assert not [left for left in left_out_of(dataset) if left.channel]


def test_maxima_may_be_over_any_hours(tmp_path):
    """Gusts are the most since the step before, however long that is."""
    gusts = [
        message(
            "regular_ll_sfc_grib2",
            paramId=49,
            typeOfFirstFixedSurface=103,
            level=10,
            dataDate=20200101,
            dataTime=0,
            productDefinitionTemplateNumber=8,
            typeOfStatisticalProcessing=2,
            stepRange=steps,
        )
        for steps in ("0-12", "12-14")
    ]
    dataset, left_out = opened(tmp_path, *gusts)
    assert not left_out
    assert channels_of(dataset) == ["fg10"]


# ---- not everywhere


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (
            [temperature(), temperature(level=850), temperature(dataTime=600)],
            "the message of t850 at time 2020-01-01T06:00 is missing: fetch it again",
        ),
        (
            [temperature(), temperature(dataTime=600), message(level=500, **WIND)],
            "the message of u500 at time 2020-01-01T06:00 is missing: fetch it again",
        ),
    ],
)
def test_a_channel_with_a_hole(tmp_path, messages, words):
    dataset, (left,) = opened(tmp_path, *messages)
    assert dataset["t"].sizes["time"] == 2
    assert channels_of(dataset) == ["t500"]
    assert left.reason == words
    assert_told(dataset, left)


def test_one_channel_of_more_times_costs_no_other(tmp_path):
    """Two channels of two times, one of three."""
    levels = [temperature(level=level, dataTime=time) for level in (500, 850) for time in (0, 600)]
    winds = [message(level=500, **WIND | {"dataTime": time}) for time in (0, 300, 600)]
    dataset, (left,) = opened(tmp_path, *winds, *levels)
    assert channels_of(dataset) == ["t500", "t850"]
    assert left.channel == "u500"
    assert left.reason == (
        "message 2 has u500 at time 2020-01-01T03:00, where the other channels have nothing: leave "
        "it out with data.select, or fetch the others"
    )


def test_lead_times_of_a_channel_that_is_left_out_are_none_of_the_others(tmp_path):
    keys = {"dataType": "fc"}
    dataset, left_out = opened(
        tmp_path,
        *(temperature(endStep=step, **keys) for step in (6, 12)),
        *(rain(steps) for steps in ("0-6", "0-6", "0-18")),
    )
    assert dataset.sizes["lead_time"] == 2
    assert [left.channel for left in left_out] == ["tp"]


def test_a_hole_where_nothing_else_is(tmp_path):
    refused(
        write(tmp_path / "a.grib", member(1), member(2), member(1, endStep=6)),
        "the message of t500 at init_time .*, lead_time 6 h, number 2 is missing",
    )


# ---- units


def test_two_units_of_one_quantity_on_two_levels(tmp_path):
    """Each is converted by its own."""
    dataset, left_out = opened(
        tmp_path,
        message(value=5e4, level=500, **GEOPOTENTIAL),
        message(value=1e3, level=850, **HEIGHT),
    )
    assert left_out == ()
    assert field_of(dataset, "z500").values[0, 0, 0] == pytest.approx(5e4)
    assert field_of(dataset, "z850").values[0, 0, 0] == pytest.approx(1e3 * 9.80665)
    assert field_of(dataset, "z850").attrs["units"] == "m2 s-2"


def test_two_units_of_one_channel(tmp_path):
    both = (message(level=500, **HEIGHT), message(level=500, **GEOPOTENTIAL | {"dataTime": 600}))
    dataset, (left,) = opened(tmp_path, *both, *(temperature(dataTime=time) for time in (0, 600)))
    assert channels_of(dataset) == ["t500"]
    assert left.reason == (
        "messages 1 and 2 give z500 in gpm and in m**2 s**-2: keep one of them with data.select: "
        "{not: {shortName: z}}"
    )


# ---- what cannot stand in one dataset: a choice would be a guess


def test_two_grids(tmp_path):
    other = temperature(
        dataTime=600, longitudeOfLastGridPointInDegrees=60, iDirectionIncrementInDegrees=20
    )
    refused(
        write(tmp_path / "a.grib", temperature(), other),
        r"messages 1 and 2 lie on different grids, .*, or take one with data.select: "
        r"{not: {iDirectionIncrementInDegrees: 20}}$",
    )


def test_with_and_without_members(tmp_path):
    path = write(tmp_path / "a.grib", temperature(dataType="fc"), member(1))
    refused(
        path,
        "messages 1 and 2 are one with and one without members: split the file, or take one kind "
        "with data.select: {not: {dataType: pf}}$",
    )


def test_analysis_and_forecast(tmp_path):
    ground = {"shortName": "z", "typeOfLevel": "surface", "dataDate": 20200101}
    path = write(
        tmp_path / "a.grib",
        message(SINGLE, **ground),
        temperature(),
        temperature(dataType="fc", endStep=6),
    )
    refused(
        path,
        "messages 2 and 3 are an analysis and a forecast: split the file, or take one kind "
        "with data.select: {not: {dataType: fc}}$",
    )


def test_a_constant_that_is_there_once_stands_beside_everything(tmp_path):
    ground = {"shortName": "z", "typeOfLevel": "surface", "dataDate": 20200101}
    dataset, left_out = opened(
        tmp_path, message(SINGLE, 9.0, **ground), temperature(dataType="fc", endStep=6)
    )
    assert left_out == ()
    np.testing.assert_allclose(dataset["orography"].values[0], [9, 10, 11, 12], atol=1e-5)
    assert dataset["t"].dims[:2] == ("init_time", "lead_time")
