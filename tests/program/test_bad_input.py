"""Bad input through the command line: exit code 3, one sentence, nothing written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses, small_run
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.cli.run import run as run_task
from smoecast.config import yaml_file
from smoecast.data.members import moments
from smoecast.errors import InputError

run = CliRunner().invoke


def without_variable(good: xr.Dataset) -> xr.Dataset:
    return good.drop_vars("z500")


def wrong_units(good: xr.Dataset) -> xr.Dataset:
    good["t2m"].attrs["units"] = "m s-1"
    return good


def no_units(good: xr.Dataset) -> xr.Dataset:
    del good["t2m"].attrs["units"]
    return good


def a_nan(good: xr.Dataset) -> xr.Dataset:
    good["t2m"][30, 2, 3] = np.nan
    return good


def an_infinity(good: xr.Dataset) -> xr.Dataset:
    good["z500"][30, 2, 3] = np.inf
    return good


def a_gap(good: xr.Dataset) -> xr.Dataset:
    return good.isel(time=np.r_[0:40, 41:240])


def descending(good: xr.Dataset) -> xr.Dataset:
    return good.isel(time=slice(None, None, -1))


def duplicated(good: xr.Dataset) -> xr.Dataset:
    return good.isel(time=np.r_[0:40, 39:240])


def odd_grid(good: xr.Dataset) -> xr.Dataset:
    return good.drop_vars(["latitude", "longitude"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_variable, "z500"),
        (wrong_units, "m s-1"),
        (no_units, "has no unit"),
        (a_nan, "2001-01-08T12"),
        (an_infinity, "2001-01-08T12"),
        (a_gap, "2001-01-11T00"),
        (descending, "2001-0"),
        (duplicated, "2001-01-10T18"),
        (odd_grid, "latitude"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_sentence_exit_3_and_no_store(
    tmp_path: Path, spoil: Callable[[xr.Dataset], xr.Dataset], words: str
) -> None:
    bad = tmp_path / "bad.nc"
    spoil(analyses()).to_netcdf(bad)
    config = small_run(tmp_path, tmp_path / "runs", f"data.files=['{bad}']")
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(config))
    result = run(app, ["preprocess", "-q", "-c", str(path)])
    assert result.exit_code == 3
    assert "bad.nc" in result.output
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not config.store.exists()
    assert not list((tmp_path / "runs").rglob("*.part"))


def test_one_member_is_no_ensemble() -> None:
    with pytest.raises(InputError, match="at least two members"):
        moments(np.zeros((1, 1, 1, 2, 3, 4), np.float32))


def test_an_interrupt_ends_in_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> dict[str, str]:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run_task(interrupted, str)
    assert caught.value.code == 130
    assert "interrupted" in capsys.readouterr().err
