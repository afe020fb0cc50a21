"""Calibration of real ensembles from the command line: a map projection, and GRIB of cf and pf.

Skipped where the shared data is not beside the repository.
"""

from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest
import xarray as xr
from mogreps_uk import UK, smoecast, uk_config

from smoecast.config import yaml_file
from smoecast.fields.read.open import open_file
from smoecast.scores.crps import crps_ensemble, crps_gaussian
from smoecast.tasks.postprocess.postprocess import postprocess

SHARED = Path(__file__).parents[3] / "shared" / "data"
ENS = SHARED / "ecmwf-ens"

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data folder does not stand beside the repository"
)


@pytest.fixture(scope="module")
def uk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh config: 2 and 3 June to fit to, 4 June to test."""
    return uk_config(tmp_path_factory.mktemp("uk"), ("preprocess",))


def test_a_projection_is_calibrated_in_its_own_grid(uk: Path) -> None:
    source = UK / "forecast" / "20170605T0300Z-PT0012H-temperature_at_screen_level.nc"
    out = uk.parent / "june5.nc"
    what = "members,mean,std,quantiles=0.1:0.9,probabilities=t2m>288"
    result = smoecast(
        "postprocess", "-q", "-c", str(uk), "-i", str(source), "-o", str(out), "--write", what
    )
    assert result.exit_code == 0, result.output
    with (
        xr.open_dataset(out, decode_timedelta=True) as made,
        xr.open_dataset(source, decode_timedelta=True) as came,
    ):
        for axis in ("projection_y_coordinate", "projection_x_coordinate"):
            np.testing.assert_array_equal(made[axis], came[axis])
            assert made[axis].attrs["units"] == "m"
        mapping = "lambert_azimuthal_equal_area"
        assert made[mapping].attrs == came[mapping].attrs
        fields = [name for name in made.data_vars if name.startswith("t2m")]
        assert all(made[name].attrs["grid_mapping"] == mapping for name in fields)
        np.testing.assert_array_equal(made["number"], came["realization"])
        assert made.attrs["institution"] == "Met Office"
        assert made.attrs["source"].endswith("input: Met Office Unified Model")
        order = made["t2m"][0, 0].values.argsort(axis=0)
        raw = came["air_temperature"].values
        np.testing.assert_array_equal(np.take_along_axis(raw, order, 0), np.sort(raw, axis=0))
        assert 0 < float(made["t2m_probability_above"].mean()) < 1


def test_the_third_day_scores_better_calibrated(uk: Path) -> None:
    result = smoecast("postprocess", "-q", "-c", str(uk))
    assert result.exit_code == 0, result.output
    day = "20170604T{}Z-PT00{}H-temperature_at_screen_level.nc"
    with xr.open_dataset(UK / "history" / day.format("0300", "12")) as history:
        raw = history["air_temperature"].values
    with xr.open_dataset(UK / "truth" / day.format("1500", "00")) as analysis:
        truth = analysis["air_temperature"].values
    with xr.open_dataset(uk.parent / "uk" / "calibrated.nc") as made:
        mean, std = made["t2m_mean"].values[0, 0], made["t2m_std"].values[0, 0]
        members = made["t2m"].values[0, 0]
    assert crps_ensemble(truth, raw, axis=0).mean() == pytest.approx(0.298, abs=5e-4)
    assert crps_gaussian(truth, mean, std).mean() < 0.270
    assert crps_ensemble(truth, members, axis=0).mean() < 0.275


def test_a_network_wants_a_regular_grid(uk: Path) -> None:
    result = smoecast("postprocess", "-q", "-c", str(uk), "-s", "postprocess.method=smoe")
    assert result.exit_code == 2
    assert "postprocess.split.validation is 0: give it some starts" in result.output
    split = "postprocess.split={train: 0.34, validation: 0.33, test: 0.33}"
    said = ("-q", "-c", str(uk), "-s", split, "-s", "name=uk-network")
    assert smoecast("preprocess", *said).exit_code == 0
    result = smoecast("postprocess", *said, "-s", "postprocess.method=smoe")
    assert result.exit_code == 6
    assert "needs a regular latitude-longitude grid, not 200 x 200 points" in result.output


def test_another_projection_is_refused(uk: Path, tmp_path: Path) -> None:
    source = UK / "forecast" / "20170605T0300Z-PT0012H-temperature_at_screen_level.nc"
    with xr.open_dataset(source) as came:
        moved = came.load().assign_coords(
            projection_x_coordinate=came.projection_x_coordinate + 7e3
        )
    moved.to_netcdf(tmp_path / "moved.nc")
    local = ("-s", "postprocess.coefficients=local", "-o", str(tmp_path / "o.nc"))
    result = smoecast("postprocess", "-q", "-c", str(uk), "-i", str(tmp_path / "moved.nc"), *local)
    assert result.exit_code == 6
    assert "200 x 200 points of lambert_azimuthal_equal_area" in result.output


def ecmwf(folder: Path, *overrides: str) -> Any:
    text = f"""
name: ens
folder: {folder}
data: {{source: none}}
postprocess:
  source: files
  channels: [z500]
  targets: [z500]
  lead_hours: [96]
  method: raw
  write: [members, mean, std, 'quantiles=0.1:0.5:0.9', 'probabilities=z500>55000']
"""
    return yaml_file.parse(text, "ens.yaml", overrides)


def test_control_and_members_in_one_file_or_two(tmp_path: Path) -> None:
    whole = ENS / "z500_ens.grib"
    parts = {kind: tmp_path / f"{kind}.grib" for kind in ("cf", "pf")}
    with whole.open("rb") as file, parts["cf"].open("wb") as cf, parts["pf"].open("wb") as pf:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            kind = eccodes.codes_get(handle, "dataType")
            eccodes.codes_write(handle, cf if kind == "cf" else pf)
            eccodes.codes_release(handle)
    made = []
    for name, inputs in (("one", [str(whole)]), ("two", [str(p) for p in parts.values()])):
        path = tmp_path / f"{name}.nc"
        postprocess(ecmwf(tmp_path), inputs=inputs, output=path)
        with xr.open_dataset(path, decode_timedelta=True) as dataset:
            made.append(dataset.load())
    assert made[0]["number"].values.tolist() == list(range(51))
    for name in made[0].data_vars:
        np.testing.assert_array_equal(made[0][name], made[1][name])
    raw = open_file(whole)["z"].sel(level=500)
    np.testing.assert_array_equal(made[0]["z500"], raw)
    np.testing.assert_allclose(made[0]["z500_mean"], raw.mean("number"), rtol=1e-6)


def test_several_lead_times_of_grib(tmp_path: Path) -> None:
    storm = ENS / "ens_storm.grib"
    path = tmp_path / "storm.nc"
    settings = ("postprocess.channels=[fg10_3h]", "postprocess.targets=[fg10_3h]")
    words = "postprocess.write=[mean, 'probabilities=fg10_3h>30']"
    config = ecmwf(tmp_path, *settings, words, "postprocess.any_lead=true")
    postprocess(config, inputs=[str(storm)], output=path)
    raw = open_file(storm)["fg10_3h"]
    with xr.open_dataset(path, decode_timedelta=True) as made:
        np.testing.assert_array_equal(made["lead_time"], raw["lead_time"])
        share = made["fg10_3h_probability_above"].squeeze("fg10_3h_threshold_above")
        np.testing.assert_allclose(share, (raw > 30).mean("number"), atol=1e-6)


@pytest.mark.parametrize("where", ["pooled", "local"])
def test_the_mlp_needs_no_latitudes(uk: Path, where: str) -> None:
    """On a map projection, with and without the position, and better than the raw members."""
    said = ["-q", "-c", str(uk), "-s", f"name=uk-mlp-{where}"]
    settings = {
        "method": "mlp",
        "coefficients": where,
        "split": "{train: 0.34, validation: 0.33, test: 0.33}",
        "training": "{epochs: 12, batch_size: 1, threads: 1, learning_rate: 0.02}",
    }
    for key, value in settings.items():
        said += ["-s", f"postprocess.{key}={value}"]
    assert smoecast("preprocess", *said).exit_code == 0
    result = smoecast("postprocess", *said)
    assert result.exit_code == 0, result.output
    with xr.open_dataset(
        UK / "truth" / "20170604T1500Z-PT0000H-temperature_at_screen_level.nc"
    ) as d:
        truth = d["air_temperature"].values
    with xr.open_dataset(uk.parent / f"uk-mlp-{where}" / "calibrated.nc") as made:
        mean, std = made["t2m_mean"].values[0, 0], made["t2m_std"].values[0, 0]
        assert made["t2m"].attrs["grid_mapping"]
    assert crps_gaussian(truth, mean, std).mean() < 0.298
