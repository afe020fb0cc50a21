"""Messages that are known again are what ecCodes says of each: nothing else, and nothing less."""

from dataclasses import replace
from pathlib import Path

import eccodes
import numpy as np
import pytest
from made_grib import joined, member, message, temperature, write

from smoecast.errors import InputError
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.grib import walk
from smoecast.fields.read.grib.message import Message
from smoecast.fields.read.grib.repeats import Repeats
from smoecast.fields.read.selection import Condition, Selection, Tally

SECOND = "regular_ll_pl_grib2"


def second(**keys) -> bytes:
    """Return a temperature in GRIB 2."""
    return message(SECOND, **({"shortName": "t", "level": 500, "dataDate": 20200101} | keys))


def of_ensemble(number: int, **keys) -> bytes:
    """Return a member in GRIB 2."""
    ensemble = {"productDefinitionTemplateNumber": 1, "numberOfForecastsInEnsemble": 51}
    kind = {"typeOfProcessedData": 4, "perturbationNumber": number}
    return second(**(ensemble | kind | keys))


def days(make, count: int = 3, **keys) -> list[bytes]:
    return [make(dataDate=20200227 + day, dataTime=600 * day, **keys) for day in range(count)]


def masked(content: bytes, **keys) -> bytes:
    """Return a message one of whose values is missing."""
    handle = eccodes.codes_new_from_message(content)
    for key, value in ({"bitmapPresent": 1, "missingValue": 1.0} | keys).items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, eccodes.codes_get_values(handle))
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


def with_byte(content: bytes, at: int, *new: int) -> bytes:
    return content[:at] + bytes(new) + content[at + len(new) :]


def look(path: Path, tally: Tally | None = None):
    """Walk a file; return what is found, and how many messages ecCodes was asked for."""
    asked = []
    messages = walk._messages
    eccodes.codes_grib_multi_support_off()  # which writing several fields turns on, for good

    def count(*given):
        asked.append(given[1][0])
        return messages(*given)

    with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
        patch.setattr(walk, "_messages", count)
        return *walk.walk(file.fileno(), "it", lambda number, size: None, tally), asked


def one_by_one(path: Path, monkeypatch: pytest.MonkeyPatch, selection: Selection | None = None):
    """Walk a file in which no message is known again."""
    with monkeypatch.context() as patch:
        patch.setattr(Repeats, "look", lambda repeats, at: None)
        return look(path, selection and Tally(selection))


CASES = {
    "dates": (days(second), [1]),
    "dates of GRIB 1": (days(temperature), [1]),
    "members of GRIB 1": (
        [member(n, dataDate=d) for d in (20200101, 20200102) for n in (1, 2)],
        [1, 2],
    ),
    "steps": ([second(dataType="fc", forecastTime=step) for step in (0, 6, 12, 240)], [1, 2]),
    "steps in other units": (
        [
            second(dataType="fc", indicatorOfUnitOfTimeRange=unit, forecastTime=step)
            for unit in (0, 1, 2, 10, 11, 12, 13)
            for step in (1, 2)
        ],
        [1, 3, 5, 7, 9, 11, 13, 14],
    ),
    "members": ([of_ensemble(n) for n in (0, 1, 2, 50)], [1, 2]),
    "controls": ([of_ensemble(n, typeOfProcessedData=3) for n in (0, 1, 2)], [1, 2, 3]),
    "no member": (
        [of_ensemble(n, typeOfProcessedData=2, numberOfForecastsInEnsemble=0) for n in (3, 4, 255)],
        [1, 3],
    ),
    "levels": ([second(level=level) for level in (500, 850, 500)], [1, 2]),
    "grids": ([second(), second(latitudeOfLastGridPointInDegrees=40.001), second()], [1, 2]),
    "what is left out": (days(second, shortName="d"), [1]),
    "scales": ([second(value=value) for value in (0.0, 1e5, -7.0)], [1]),
    "scales of GRIB 1": ([temperature(value, decimalPrecision=1) for value in (0.0, 7.0)], [1]),
    "bitmaps": ([masked(second()), second(), masked(second(value=1))], [1, 2]),
    "bitmaps of GRIB 1": ([masked(temperature()), temperature(), masked(temperature(1))], [1, 2]),
    "sums": (
        [
            second(shortName="tp", typeOfLevel="surface", dataDate=20200101 + day, stepRange="0-6")
            for day in (0, 1)
        ],
        [1, 2],
    ),
    "other packing": ([masked(d, packingType="grid_second_order") for d in days(temperature)], 3),
    "several fields": ([joined(second(), second(shortName="u")) for _ in range(2)], 2),
    "headings": ([b"HTXX50 KWBC 010000\r\r\n".join([b"", *days(second)])], 3),
    "a heading between": ([*days(second), b"\0\0\0\0", *days(second)], [1, 4]),
    "years at the end": ([second(dataDate=d) for d in (22610101, 22610102, 16780101)], 3),
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_one_by_one(tmp_path, monkeypatch, name):
    contents, asked = CASES[name]
    path = write(tmp_path / "a.grib", *contents)
    *found, really = look(path)
    *wanted, every = one_by_one(path, monkeypatch)
    assert found == wanted
    assert really == (asked if isinstance(asked, list) else every)
    if not isinstance(asked, list):
        assert len(every) >= asked


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (16 + 6, (7,)),  # centre
        (16 + 11, (2,)),  # significance of the date
        (16 + 14, (13,)),  # month
        (16 + 15, (0,)),  # day
        (16 + 16, (255,)),  # hour
        (16 + 17, (255,)),  # minute, which may be missing
        (16 + 17, (61,)),
        (16 + 20, (1,)),  # kind of data
        (6, (1,)),  # discipline
        (4, (1,)),  # reserved
    ],
)
def test_what_is_different_is_read_anew(tmp_path, monkeypatch, at, new):
    path = write(tmp_path / "a.grib", second(), with_byte(second(), at, *new))

    def outcome(walk_it):
        try:
            *found, asked = walk_it()
        except InputError as problem:
            return str(problem)
        assert asked == [1, 2]
        return found

    assert outcome(lambda: look(path)) == outcome(lambda: one_by_one(path, monkeypatch))


@pytest.mark.parametrize("make", [second, temperature])
@pytest.mark.parametrize("cut", [1, 4, 30])
def test_a_message_that_is_cut(tmp_path, make, cut):
    path = write(tmp_path / "a.grib", make(), make()[:-cut])
    with pytest.raises(InputError, match="it: message 2 is broken or cut"):
        look(path)


def test_sections_that_do_not_lead_to_the_end(tmp_path):
    one = second()
    at = one.rindex(b"\7", 0, -20) - 1
    path = write(tmp_path / "a.grib", one, with_byte(one, at, 9))
    with pytest.raises(InputError, match="it: message 2 is broken"):
        look(path)


@pytest.mark.parametrize(("key", "asked"), [("level", [1]), ("dataDate", [1, 2, 3])])
def test_a_selection(tmp_path, monkeypatch, key, asked):
    path = write(tmp_path / "a.grib", *days(second))
    selection = Selection((Condition(key, ({"level": 500, "dataDate": 20200228}[key],)),))
    tally = Tally(selection)
    *found, really = look(path, tally)
    assert really == asked
    assert [found, []] == [list(one_by_one(path, monkeypatch, selection)[:2]), []]
    assert not tally.refusal()


def test_what_is_not_selected_is_left_out_each_time(tmp_path):
    path = write(tmp_path / "a.grib", *days(second))
    tally = Tally(Selection((Condition("level", (850,)),)))
    found, left_out, asked = look(path, tally)
    assert (found, [left.name for left in left_out], asked) == ([], ["t on isobaricInhPa"], [1])
    assert "500" in tally.refusal()


def test_where_each_message_is(tmp_path):
    contents = [*days(second), temperature(dataDate=20200310), second(dataDate=20200311)]
    found, _, asked = look(write(tmp_path / "a.grib", *contents))
    ends = np.cumsum([len(content) for content in contents])
    assert [m.number for m in found] == [1, 2, 3, 4, 5]
    assert [m.offset + m.length for m in found] == ends.tolist()
    assert asked == [1, 4]


def test_few_headers_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("smoecast.fields.read.grib.repeats._MOST", 1)
    levels = [second(level=level) for level in (500, 850, 500, 850)]
    assert look(write(tmp_path / "a.grib", *levels))[2] == [1, 2, 4]


def test_what_ecCodes_says_otherwise_is_not_kept(tmp_path):  # noqa: N802
    path = write(tmp_path / "a.grib", second())
    content = path.read_bytes()
    repeats = Repeats(lambda size, at: content[at : at + size], len(content), Selection())
    header = repeats.look(0)
    (said,), _, _ = look(path)
    repeats.keep(header, replace(said, init_time=said.init_time + np.timedelta64(1, "h")))
    assert repeats.find(header, 2, 0) is None
    repeats.keep(header, said)
    assert isinstance(repeats.find(header, 2, 0), Message)
    repeats.keep(header, LeftOut("t"))
    assert repeats.find(header, 2, 0) == LeftOut("t")
