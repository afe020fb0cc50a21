"""Numbers in GRIB messages that no weather has are refused, before anything is made of them."""

import eccodes
import numpy as np
import pytest
from made_grib import message, refused, temperature, write

from smoecast.errors import InputError
from smoecast.fields.read.grib import grid
from smoecast.fields.read.grib import open as opened
from smoecast.fields.read.grib.open import open_grib

# ---- grids


def shaped(rows, columns, **keys):
    """Return a message that promises so many points, whatever it has."""
    one = message("regular_ll_pl_grib2", shortName="t", level=500)
    keys = {"Ni": columns, "Nj": rows, "numberOfDataPoints": rows * columns} | keys
    handle = eccodes.codes_new_from_message(one)
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


@pytest.mark.parametrize(
    ("rows", "columns"), [(40_000, 50_000), (1, 70_000), (70_000, 1), (0, 4), (3, 0)]
)
def test_points_without_end(tmp_path, rows, columns):
    """Of 2e9 points in 200 bytes each reader made gigabytes."""
    path = write(tmp_path / "a.grib", shaped(rows, columns))
    refused(path, rf"message 1 \(t\) claims to have {rows} x {columns} points, which no weather")


def test_many_points_that_are_not_there(tmp_path):
    increments = {"iDirectionIncrement": 3750, "jDirectionIncrement": 2500}
    path = write(tmp_path / "a.grib", shaped(8001, 8001, **increments))
    dataset = open_grib(path)
    assert path.stat().st_size < 300
    with pytest.raises(InputError, match=r"a\.grib: message 1 (cannot be decoded|has 12 values)"):
        dataset["t"].load()


def test_many_fields_of_next_to_nothing(tmp_path, monkeypatch):
    """A hundred bytes make 256 MB, five members of it more than a GiB at once."""
    increments = {"iDirectionIncrement": 3750, "jDirectionIncrement": 2500}
    ensemble = {"productDefinitionTemplateNumber": 1, "typeOfProcessedData": 4}
    messages = [
        shaped(8001, 8001, **ensemble, perturbationNumber=number, **increments)
        for number in range(1, 6)
    ]
    path = write(tmp_path / "a.grib", b"".join(messages))
    refused(path, r"t500 has 1\.3e\+09 bytes at once, of which \d+ bytes of messages can hold next")
    dataset = open_grib(write(path, b"".join(messages[:4])))
    assert dataset.sizes["number"] == 4
    monkeypatch.setattr(opened, "SMALL", 0)
    monkeypatch.setattr(opened, "MOST_PER_BYTE", 2**23)
    assert open_grib(path).sizes["number"] == 4


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"latitudeOfFirstGridPoint": 91_000_000}, "reaches from 91 N 0 E to 40 N 30 E"),
        ({"longitudeOfLastGridPoint": 721_000_000}, "reaches from 60 N 0 E to 40 N 721 E"),
    ],
)
def test_points_beside_the_earth(tmp_path, keys, words):
    refused(write(tmp_path / "a.grib", shaped(3, 4, **keys)), words)


@pytest.mark.parametrize("corner", range(4))
def test_corners_that_are_not_told(corner):
    corners = [60.0, 0.0, 40.0, 30.0]
    corners[corner] = np.nan
    place = grid.GribGrid(
        "regular_ll", (3, 4), tuple(corners), (None, None), 0, False, False, False
    )
    with pytest.raises(ValueError, match="does not tell where its first and last point lie"):
        place.coordinates()


@pytest.mark.parametrize("parallels", [0, 2561, 2**31 - 1])
def test_gaussian_parallels_that_cannot_be(tmp_path, parallels):
    """Twice 2**31 parallels were 32 PiB."""
    one = message("regular_gg_pl_grib2", shortName="t", level=500, N=parallels)
    words = f"counts {parallels} Gaussian parallels from pole to equator"
    refused(write(tmp_path / "a.grib", one), words)


@pytest.mark.parametrize("count", [2, 64, 640, 642, 1280])
def test_gaussian_nodes(count):
    """The roots of the Legendre polynomial, between which it changes its sign."""
    nodes = grid._nodes(count)
    assert len(nodes) == count
    assert (np.diff(nodes) > 0).all()
    assert abs(nodes + nodes[::-1]).max() == 0
    near = nodes[count // 4] + np.array([-1e-13, 1e-13])
    below, above = np.polynomial.legendre.legval(near, np.eye(count + 1)[count])
    assert below * above < 0


def test_several_gaussian_messages_without_increments(tmp_path):
    """They were of different grids, for an increment that is not known equals no other."""
    one, two = (
        message("regular_gg_pl_grib2", shortName="t", level=level, ijDirectionIncrementGiven=0)
        for level in (500, 850)
    )
    dataset = open_grib(write(tmp_path / "a.grib", one, two))
    assert dataset["level"].values.tolist() == [500, 850]


# ---- levels, times and words


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"dataDate": 16771231}, "message 1 starts on 1677-12-31 and ends 0 minutes later"),
        ({"dataDate": 22620101}, "message 1 starts on 2262-01-01 and ends 0 minutes later"),
        ({"dataDate": 22611231, "forecastTime": 24}, "2261-12-31 and ends 1440 minutes later"),
        ({"forecastTime": 24 * 366 * 101}, "ends 53231040 minutes later: such a forecast cannot"),
        ({"forecastTime": 2**31 - 1}, "ends .* minutes later: such a forecast cannot be"),
        ({"indicatorOfUnitOfTimeRange": 12, "forecastTime": 2**31 - 1}, "minutes later: such a"),
    ],
)
def test_times_that_cannot_be(tmp_path, keys, words):
    one = message("regular_ll_pl_grib2", shortName="t", level=500, dataType="fc", **keys)
    refused(write(tmp_path / "a.grib", one), words)


@pytest.mark.parametrize("date", [16780101, 22611231])
def test_the_first_and_the_last_day(tmp_path, date):
    keys = {"dataDate": date, "dataType": "an"}
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    found = open_grib(write(tmp_path / "a.grib", one))["time"].values[0]
    assert str(found)[:10].replace("-", "") == str(date)


def test_words_of_a_file_stay_on_one_line(tmp_path):
    local = {"setLocalDefinition": 1, "localDefinitionNumber": 1}
    one, two = (temperature(**local, experimentVersionNumber=v) for v in ("0001", "0005"))
    two = two.replace(b"0005", b"\n\x1b[1")
    refused(
        write(tmp_path / "a.grib", one, two), r"of the experiments 0001 and '\\n\\x1b\[1': keep"
    )
