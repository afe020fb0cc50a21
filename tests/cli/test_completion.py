"""The shell offers values, not only options."""

import os
import subprocess
import sys

import pytest

from smoecast.cli import completion


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
