"""What one process knows of GRIB messages, the other does as well."""

import json
from dataclasses import replace

import numpy as np

from smoecast.fields.read.grib.grid import GribGrid
from smoecast.fields.read.grib.message import Message, from_plain, to_plain
from smoecast.variables import VARIABLES

PLACE = GribGrid("regular_ll", (3, 4), (60.0, 0.0, 40.0, 30.0), (10.0, None), 0, False, True, False)
ONE = Message(
    number=1,
    offset=5,
    length=2**40,
    variable=VARIABLES["t"],
    unit="K",
    level=500,
    member=None,
    init_time=np.datetime64("1678-01-01T06:30", "ns"),
    lead_time=np.timedelta64(-90, "m").astype("timedelta64[ns]"),
    analysis=False,
    experiment="xxyz",
    place=PLACE,
)
OTHER = replace(
    ONE,
    variable=VARIABLES["orography"],
    level=None,
    field=12,
    member=3,
    analysis=True,
    since=np.timedelta64(0, "ns"),
    place=replace(PLACE, kind="regular_gg", parallels=32),
)


def test_round_trip():
    messages = [ONE, OTHER, ONE]
    plain = json.loads(json.dumps(to_plain(messages)))
    assert from_plain(plain) == messages
    assert len(plain["places"]) == 2
    assert ONE.channel == "t500"
    assert OTHER.channel == "orography"
    assert (ONE.label, OTHER.label) == ("1", "1.12")
    assert (ONE.interval, OTHER.interval) == (None, (0, -90 * 60 * 10**9))
