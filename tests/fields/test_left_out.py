"""What of a file is not read is noted in memory, each thing once, and told in one line."""

import xarray as xr

from smoecast.fields.left_out import LeftOut, describe, left_out_of, note_left_out

PRES = LeftOut("pres on maxWind", "sp is read from the ground", "sp")


def test_each_thing_is_noted_once():
    noted = note_left_out(xr.Dataset(attrs={"title": "x"}), [LeftOut("zust"), PRES, PRES])
    assert left_out_of(noted) == (LeftOut("zust"), PRES)
    assert noted.attrs["title"] == "x"
    assert left_out_of(xr.Dataset()) == ()


def test_a_reason_is_told_beside_the_name():
    told = describe([LeftOut("zust"), PRES])
    assert told == "zust, pres on maxWind (sp is read from the ground)"
