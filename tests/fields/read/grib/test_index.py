"""Every GRIB message is used, left out under its name, or refused with the reason."""

import re

import eccodes
import numpy as np
import pytest
from made_grib import member, message, pressure, refused, step_of_30, temperature, write

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of
from smoecast.fields.left_out import LeftOut, describe, left_out_of
from smoecast.fields.read.grib import index, walk, worker
from smoecast.fields.read.grib.message import Message
from smoecast.fields.read.grib.open import open_grib

MISSING = eccodes.CODES_MISSING_LONG

# ---- accounted for


def test_left_out_messages_are_named(tmp_path):
    cloud = {"shortName": "clwc", "level": 500, "dataDate": 20200101}
    path = write(
        tmp_path / "a.grib",
        temperature(),
        message(**cloud),
        message("regular_ll_sfc_grib1", shortName="stl1"),
    )
    dataset = open_grib(path)
    assert list(dataset.data_vars) == ["t"]
    assert describe(left_out_of(dataset)).startswith("clwc on isobaricInhPa, stl1 on ")


@pytest.mark.parametrize(
    ("template", "key", "words"),
    [
        (2, "derivedForecast", "mean or spread (derivedForecast 4)"),
        (6, "percentileValue", "percentile (percentileValue 4)"),
        (5, "probabilityType", "probability (probabilityType 4)"),
    ],
)
def test_statistics_of_ensembles_are_no_values(tmp_path, template, key, words):
    """Of the type of a forecast, as that of its values."""
    keys = {"shortName": "t", "level": 500, "typeOfProcessedData": 1}
    sample = "regular_ll_pl_grib2"
    path = write(
        tmp_path / "a.grib",
        message(sample, **keys),
        message(sample, 5.0, productDefinitionTemplateNumber=template, **keys, **{key: 4}),
    )
    dataset = open_grib(path)
    assert dataset["t"].dims == ("init_time", "lead_time", "level", "latitude", "longitude")
    assert describe(left_out_of(dataset)) == f"t as {words}"


def test_means_over_a_month_are_left_out(tmp_path):
    local = {"setLocalDefinition": 1, "localDefinitionNumber": 1}
    path = write(tmp_path / "a.grib", temperature(), temperature(9.0, **local, stream="moda"))
    assert describe(left_out_of(open_grib(path))) == "t of stream moda (it is a mean over a month)"


def test_ensemble_means_are_left_out(tmp_path):
    local = {"setLocalDefinition": 1, "localDefinitionNumber": 1}
    path = write(tmp_path / "a.grib", temperature(), temperature(9.0, **local, type="em"))
    dataset = open_grib(path)
    assert describe(left_out_of(dataset)) == "t of type em"
    assert dataset["t"].values.max() < 12


def test_everything_left_out(tmp_path):
    path = write(tmp_path / "a.grib", message(shortName="clwc", level=500))
    refused(path, "no variable that smoecast knows, but clwc on isobaricInhPa")


def test_no_message(tmp_path):
    refused(write(tmp_path / "a.grib"), "no variable that smoecast knows, but no message at all")
    refused(tmp_path / "b.grib", "there is no such file")


def test_cut_in_a_message(tmp_path):
    whole = temperature() + temperature(dataTime=600)
    refused(write(tmp_path / "a.grib", whole[:-9]), "message 2 is broken or cut")


def test_zeros_between_messages_are_padding(tmp_path):
    padded = temperature() + b"\0" * 20 + temperature(dataTime=600) + b"\0" * 7
    assert open_grib(write(tmp_path / "a.grib", padded)).sizes["time"] == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((b"junk", temperature()), "4 bytes before message 1 belong to no GRIB message"),
        ((temperature(), b"junk!", temperature()), "5 bytes before message 2"),
        ((temperature(), b"junk!!"), "6 bytes after message 1"),
        ((temperature(), bytes(1 << 20) + b"junk"), "1048580 bytes after message 1"),
    ],
)
def test_foreign_bytes(tmp_path, content, words):
    refused(write(tmp_path / "a.grib", *content), words)


def _after_section(content: bytes, number: int) -> bytes:
    """Return what follows a section of a GRIB 2 message."""
    place = 16
    while content[place + 4] <= number:
        place += int.from_bytes(content[place : place + 4], "big")
    return content[place:]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"iDirectionIncrementInDegrees": 5.0}, "gives 4 longitudes over 30 degrees, but an incr"),
        ({"jDirectionIncrementInDegrees": 5.0}, "gives 3 latitudes over 20 degrees, but an incr"),
        ({"jScansPositively": 1}, "scans from 60 N to 40 N against its scanning mode"),
        *[({"scanningMode": bit}, "rows of changing") for bit in (8, 4, 2, 1)],
        ({"alternativeRowScanning": 1}, "rows of changing direction, place or length"),
    ],
)
def test_contradicting_grids(tmp_path, keys, words):
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    refused(write(tmp_path / "a.grib", one), rf"message 1 \(t\) .*{words}")


def test_gaussian_grid_by_meridians(tmp_path):
    """ecCodes takes the values of such for those of one by parallels."""
    one = message("regular_gg_pl_grib2", shortName="t", level=500, jPointsAreConsecutive=1)
    refused(write(tmp_path / "a.grib", one), "has its meridians one by one on a Gaussian grid")


def test_gaussian_grid_on_other_parallels(tmp_path):
    one = message("regular_gg_pl_grib2", shortName="t", level=500, N=48)
    refused(write(tmp_path / "a.grib", one), "does not lie on the parallels of its Gaussian grid")


def test_other_grids(tmp_path):
    one = message("reduced_gg_pl_32_grib2", shortName="t", level=500)
    refused(write(tmp_path / "a.grib", one), r"message 1 \(t\) lies on the grid reduced_gg")


def test_increments_need_not_be_given(tmp_path):
    one = message("regular_ll_pl_grib2", shortName="t", level=500, ijDirectionIncrementGiven=0)
    assert open_grib(write(tmp_path / "a.grib", one)).sizes["longitude"] == 4


@pytest.mark.parametrize(("edition", "at", "size"), [(1, 23, 2), (2, 63, 4)])
@pytest.mark.parametrize("axis", [0, 1])
def test_increments_may_be_missing(tmp_path, edition, at, size, axis):
    """The corners say all."""
    one = bytearray(message(f"regular_ll_pl_grib{edition}", shortName="t", level=500))
    # section 2 of GRIB 1 follows section 1, section 3 of GRIB 2 as well
    begin = {1: 8 + int.from_bytes(one[8:11], "big"), 2: 16 + 21}[edition]
    one[begin + at + axis * size : begin + at + (1 + axis) * size] = b"\xff" * size
    found = open_grib(write(tmp_path / "a.grib", bytes(one)))
    assert found["latitude"].values.tolist() == [60, 50, 40]
    assert found["longitude"].values.tolist() == [0, 10, 20, 30]


def test_longitude_that_comes_round_to_its_start(tmp_path):
    keys = {"longitudeOfLastGridPointInDegrees": 360.0, "iDirectionIncrementInDegrees": 120.0}
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    dataset = open_grib(write(tmp_path / "a.grib", one))
    np.testing.assert_array_equal(dataset["longitude"], [0.0, 120.0, 240.0])


@pytest.mark.parametrize(
    ("scaled", "factor", "pascals"),
    [
        *[
            (50, 0, "50 Pa"),
            (15050, 0, "15050 Pa"),
            (12345, 1, "1234.5 Pa"),
            (200_100, 0, "200100 Pa"),
        ],
        *[(500, -126, "5e+128 Pa"), (500, 127, "5e-125 Pa")],
        *[
            (MISSING, 0, "no pressure"),
            (500, MISSING, "no pressure"),
            (MISSING, MISSING, "no pressure"),
        ],
    ],
)
def test_levels_that_are_no_whole_hectopascals_are_left_out(tmp_path, scaled, factor, pascals):
    """A file of GFS has levels at 0.4 hPa; ten to the power of a missing factor overflowed."""
    path = write(tmp_path / "a.grib", pressure(scaled, factor))
    refused(path, re.escape(f"no variable that smoecast knows, but t at {pascals} ("))
    path = write(path, pressure(scaled, factor), pressure(85000))
    dataset = open_grib(path)
    assert dataset["level"].values.tolist() == [850]
    assert [left.name for left in left_out_of(dataset)] == [f"t at {pascals}"]


def test_pressure_and_model_levels(tmp_path):
    path = write(tmp_path / "a.grib", temperature(), temperature(typeOfLevel="hybrid", level=5))
    dataset = open_grib(path)
    assert channels_of(dataset) == ["t500"]
    left = [LeftOut("t on hybrid", "t is read on pressure levels alone", "t")]
    assert list(left_out_of(dataset)) == left


def test_a_date_that_does_not_exist(tmp_path):
    broken = bytearray(temperature())
    broken[8 + 13] = 13  # month
    refused(write(tmp_path / "a.grib", bytes(broken)), "message 1 has the date 2.*does not exist")


@pytest.mark.parametrize(("year", "words"), [(0, "323 1200"), (65535, "655350323 1200")])
def test_the_year_zero(tmp_path, year, words):
    """Of climatologies, or not told."""
    one = bytearray(message("regular_ll_pl_grib2", shortName="t", level=500))
    one[16 + 12 : 16 + 14] = year.to_bytes(2, "big")
    refused(write(tmp_path / "a.grib", bytes(one)), f"message 1 has the date {words}, which does")


@pytest.mark.parametrize(("edition", "at"), [(1, 8 + 15), (2, 16 + 16)])
def test_an_hour_that_is_missing_is_not_noon(tmp_path, edition, at):
    """As ecCodes has it."""
    keys = {"shortName": "t", "level": 500, "dataDate": 20200101, "dataTime": 0}
    one = bytearray(message(f"regular_ll_pl_grib{edition}", **keys))
    one[at] = 255
    refused(write(tmp_path / "a.grib", bytes(one)), "has the date 20200101 25500, which does not")
    one[at : at + 2] = 6, 255
    assert open_grib(write(tmp_path / "b.grib", bytes(one)))["t"].size == 12


@pytest.mark.parametrize(("step", "words"), [(0, ""), (6, "message 1 has the time at which it ho")])
def test_a_date_that_is_no_start(tmp_path, step, words):
    keys = {"significanceOfReferenceTime": 2, "forecastTime": step, "dataType": "fc"}
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    path = write(tmp_path / "a.grib", one)
    if words:
        refused(path, words)
    else:
        assert open_grib(path)["t"].size == 12


def test_steps_in_months(tmp_path):
    refused(
        write(tmp_path / "a.grib", step_of_30(3)), "message 1 counts its step in the unit 3 of GRIB"
    )


def test_a_message_that_contradicts_itself(tmp_path, monkeypatch):
    def contradict(keys: object, what: str) -> None:
        raise eccodes.DecodingError(-13)

    monkeypatch.setattr(walk, "place_of", contradict)
    with (
        write(tmp_path / "a.grib", temperature()).open("rb") as file,
        pytest.raises(InputError, match="it: message 1 contradicts itself"),
    ):
        walk.walk(file.fileno(), "it", lambda number, size: None)


def test_more_values_than_points(tmp_path):
    sample = "regular_ll_pl_grib2"
    three, four = (
        message(sample, shortName="t", level=500),
        message(sample, shortName="t", level=500, Nj=4, jDirectionIncrementInDegrees=20 / 3),
    )
    odd = three[: three.index(_after_section(three, 4))] + _after_section(four, 4)
    odd = odd[:8] + len(odd).to_bytes(8, "big") + odd[16:]
    dataset = open_grib(write(tmp_path / "a.grib", odd))
    with pytest.raises(InputError, match=r"a\.grib: message 1 has 16 values for 3 x 4 p"):
        dataset["t"].load()


def test_one_message_in_memory():
    found = index.describe(temperature(step=6, dataType="fc"), 7, "the stream: message 7")
    assert isinstance(found, Message)
    assert (found.channel, found.number, found.offset) == ("t500", 7, 0)
    assert found.lead_time == np.timedelta64(6, "h")
    assert index.describe(temperature(shortName="d"), 1, "it") == LeftOut("d on isobaricInhPa")
    with pytest.raises(InputError, match="the stream: message 8 is broken or cut"):
        index.describe(b"", 8, "the stream: message 8")
    assert index.describe(b"\0", 9, "it") == LeftOut("unknown on unknown level")


def test_messages_of_a_stream_ask_once_what_their_headers_say(monkeypatch):
    days = [{"dataDate": 20200101 + day} for day in range(3)]
    kinds = [(member, 1, {}), (member, 2, {}), (temperature, 1.0, {"shortName": "d"})]
    messages = [make(one, **more, **day) for day in days for make, one, more in kinds]
    messages += [messages[0][:-4] + b"7778", messages[0] + b"7777"]  # no longer what they were
    wanted = [index.describe(one, n, "it") for n, one in enumerate(messages)]
    asked, ask = [], worker.ask
    monkeypatch.setattr(worker, "ask", lambda *a, **k: asked.append(k["number"]) or ask(*a, **k))
    stream = index.Describer()
    assert [stream.describe(one, n, "it") for n, one in enumerate(messages)] == wanted
    assert asked == [0, 1, 2, 9, 10]
