"""The shell offers values, not only options."""

import os
import subprocess
import sys

import pytest

from smoecast.cli import completion
from smoecast.tasks.plot.cartography import quantities
from smoecast.tasks.plot.file_maps import KINDS
from smoecast.tasks.plot.plot import MENDS


def test_keys_formats_and_channels() -> None:
    assert completion.keys("network.w") == ["network.width="]
    assert "postprocess.training.epochs=" in completion.keys("postprocess.training.")
    assert completion.formats("w") == ["wb2", "wb2-v3"]
    assert completion.formats_of_ensembles("") == ["netcdf", "grib"]
    assert completion.layouts("c") == ["cdo"]
    assert "t2m" in completion.channels("t2")
    assert completion.tasks("e") == ["ensemble", "era5", "ens10"]
    assert completion.cards("heat") == ["heat-diffusion"]
    assert completion.models("heat") == []
    assert completion.rivals("w") == ["weatherbench"]
    assert completion.parts_of_ensembles("mean,s") == ["mean,std"]
    assert completion.regions("n") == [
        "northern-hemisphere",
        "north-america",
        "north-atlantic",
        "north-pacific",
    ]


def test_kinds_and_units_of_pictures_are_those_that_are_drawn() -> None:
    assert {*completion.PICTURES} == {*MENDS, *KINDS}
    assert completion.kinds("er") == [("error", "of a file beside its truth")]
    known = (*quantities.UNITS.values(), quantities._SHARES)
    names = [unit.name for units in known if len(units) > 1 for unit in units]
    assert list(completion.UNITS) == names
    assert completion.units("h") == ["hPa"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("smoecast forecast -c ncep", {"ncep-air-6h", "ncep-air-24h"}),
        ("smoecast forecast -m planet-s", {"planet-smoe"}),
        ("smoecast forecast --format g", {"grib"}),
        ("smoecast models show heat", {"heat-diffusion"}),
        ("smoecast config init --for f", {"forecast", "files"}),
        ("smoecast train -s seed", {"seed="}),
        ("smoecast channels z5", {"z500"}),
        ("smoecast plot -i a.nc -k pro", {"probability"}),
    ],
)
def test_a_shell_is_offered_values(typed: str, offered: set[str]) -> None:
    asked = {
        "_SMOECAST_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    code = "from smoecast.cli.entry import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(done.stdout.split()) == offered, done.stderr
