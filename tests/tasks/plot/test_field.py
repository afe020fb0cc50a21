"""One field of any data set on a map."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_fields import surface
from made_results import calibrated

from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.tasks.plot.field import plot_field


@pytest.fixture
def dataset() -> xr.Dataset:
    return canonical(surface(), "a.nc")


def test_the_last_field_is_drawn_missing_values_or_not(dataset: xr.Dataset, tmp_path: Path):
    dataset["t2m"][-1, 0, 0] = np.nan
    said = plot_field(dataset, "t2m", "a.nc", tmp_path / "a.png")
    assert said == "t2m, 2020-01-01T18:00"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_of_members_it_is_the_mean(tmp_path: Path):
    said = plot_field(calibrated(), "t2m", "a.nc", tmp_path / "a.svg")
    assert said.startswith("t2m, ")
    assert said.endswith(" h ahead")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_a_projection_has_kilometres(tmp_path: Path):
    axes = {"projection_y_coordinate": [0.0, 2000.0], "projection_x_coordinate": [0.0, 1000.0]}
    values = xr.DataArray(np.ones((2, 2), "f4"), coords=axes, dims=tuple(axes))
    plot_field(xr.Dataset({"t2m": values}), "t2m", "a.nc", tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()


def test_what_cannot_be_drawn_is_named(
    dataset: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(ConfigError, match=r"a picture is \.png, \.svg, \.pdf"):
        plot_field(dataset, "t2m", "a.nc", tmp_path / "a.nc")
    with pytest.raises(InputError, match=r"a\.nc: the channel d2m is not in the data"):
        plot_field(dataset, "d2m", "a.nc", tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("elsewhere")
    with pytest.raises(OutputError, match="is not replaced"):
        plot_field(dataset, "t2m", "a.nc", tmp_path / "b.png")
    with pytest.raises(OutputError, match="it cannot be written"):
        plot_field(dataset, "t2m", "a.nc", tmp_path / "no" / "b.png")
    dataset["t2m"][-1] = np.nan
    with pytest.raises(InputError, match="t2m has no value there"):
        plot_field(dataset, "t2m", "a.nc", tmp_path / "a.png")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="plots need matplotlib"):
        plot_field(dataset, "t2m", "a.nc", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
