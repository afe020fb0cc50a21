"""`import smoecast` costs nothing until something is asked for."""

import subprocess
import sys
from importlib import metadata

import pytest

import smoecast

LIGHT = """
import sys, smoecast
heavy = {"torch", "xarray", "numpy", "pydantic", "dask", "typer", "importlib.metadata"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
assert {"load", "open", "calibrate", "evaluate"} <= set(dir(smoecast))
print(smoecast.load("ncep-air-6h").inputs)
assert "torch" not in sys.modules
"""


def test_importing_it_and_reading_what_a_model_wants_loads_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ncep-air-6h starts from analyses of")


def test_all_that_is_named_is_there_and_no_more() -> None:
    for name in smoecast.__all__:
        assert getattr(smoecast, name, None) is not None
    with pytest.raises(AttributeError, match="no attribute 'forecast'"):
        _ = smoecast.forecast  # type: ignore[attr-defined]


def test_the_version_is_that_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert smoecast.__version__ == metadata.version("smoecast")

    def find_none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", find_none)
    assert smoecast.__version__ == "0+unknown"
