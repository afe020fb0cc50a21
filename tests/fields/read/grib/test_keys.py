"""Headers are listed kind by kind, also of files that are refused."""

from pathlib import Path

import eccodes
import pytest
from made_grib import member, message, temperature, write

from smoecast.fields.read.grib import keys
from smoecast.fields.read.grib.index import list_kinds


def test_fields_of_one_kind_are_counted_together(tmp_path: Path):
    path = write(
        tmp_path / "a.grib",
        *(temperature(level=level, dataTime=hour) for level in (500, 850) for hour in (0, 1200)),
        message(shortName="2t", typeOfLevel="surface", level=0),
        *(member(number, step=step) for number in (1, 2) for step in (6, 12)),
    )
    found = list_kinds(path)
    assert found["editions"] == [1]
    first, ground, ensemble = found["kinds"]
    assert first["levels"] == {"500": 2, "850": 2}
    assert (first["fields"], first["typeOfLevel"]) == (4, "isobaricInhPa")
    assert (ground["shortName"], ground["units"], ground["stepType"]) == ("2t", "K", "instant")
    assert (ensemble["dataType"], ensemble["fields"]) == ("pf", 4)


def test_each_field_of_a_message_counts(tmp_path: Path):
    path = tmp_path / "multi.grib"
    wind = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
    several = eccodes.codes_grib_multi_new()
    for name, section in (("u", 0), ("v", 4)):
        eccodes.codes_set(wind, "shortName", name)
        eccodes.codes_grib_multi_append(wind, section, several)
    with path.open("wb") as file:
        eccodes.codes_grib_multi_write(several, file)
    eccodes.codes_release(wind)
    eccodes.codes_grib_multi_release(several)
    assert [kind["shortName"] for kind in list_kinds(path)["kinds"]] == ["u", "v"]


def test_a_file_that_breaks_off_is_listed_so_far(tmp_path: Path):
    path = write(tmp_path / "cut.grib", temperature(), temperature(level=850)[:-30])
    assert [kind["levels"] for kind in list_kinds(path)["kinds"]] == [{"500": 1}]


def test_few_levels_are_kept_of_very_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "MOST", 2)
    kinds: dict = {}
    for level in (1, 2, 3):
        handle = eccodes.codes_new_from_message(temperature(level=level))
        keys._add(keys.Keys(handle), kinds)
        eccodes.codes_release(handle)
    (kind,) = kinds.values()
    assert (kind["fields"], list(kind["levels"])) == (3, ["1", "2"])
