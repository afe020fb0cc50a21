"""What `postprocess` writes and takes, on the small world."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scoringrules
import xarray as xr
from made_models import as_before, sealed
from scipy.stats import norm, rankdata
from small_world import BIAS, analyses, ensembles
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.training.model_files import STATE, load_state

HOUR = np.timedelta64(3_600_000_000_000, "ns")


def changed(config: Config, **settings: Any) -> Config:
    return config.model_copy(update={"postprocess": config.postprocess.model_copy(update=settings)})


def written(config: Config, path: Path, **options: Any) -> xr.Dataset:
    postprocess(config, output=path, **options)
    with xr.open_dataset(path, decode_timedelta=True) as dataset:
        return dataset.load()


def raw_of(world: Path, made: xr.Dataset) -> xr.DataArray:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        return dataset["t2m"].sel(init_time=made["init_time"]).load()


def ranks(array: xr.DataArray) -> Any:
    return rankdata(array.transpose(..., "latitude", "longitude").values, axis=2)


def file_of(folder: Path, dataset: xr.Dataset) -> str:
    path = folder / "in.nc"
    dataset.to_netcdf(path)
    return str(path)


def test_everything_that_can_be_written(done: Config, tmp_path: Path) -> None:
    words = ("members", "mean", "std", "quantiles=0.1:0.5:0.9", "probabilities=t2m>280:t2m<275")
    before = (done.calibration / "state.json").stat().st_mtime_ns
    made = written(changed(done, write=words), tmp_path / "all.nc")
    assert (done.calibration / "state.json").stat().st_mtime_ns == before
    assert made["t2m_quantile"].dims[2] == "quantile"
    np.testing.assert_allclose(made["quantile"], [0.1, 0.5, 0.9])
    np.testing.assert_allclose(made["t2m_quantile"].sel(quantile=0.5), made["t2m_mean"], rtol=1e-6)
    above = norm.sf(280, made["t2m_mean"], made["t2m_std"])
    np.testing.assert_allclose(made["t2m_probability_above"].squeeze(), above, atol=1e-4)
    below = made["t2m_probability_below"]
    np.testing.assert_allclose(
        below.squeeze(), norm.cdf(275, made["t2m_mean"], made["t2m_std"]), atol=1e-4
    )
    assert below.attrs["units"] == "1"
    assert "standard_name" not in below.attrs
    threshold = made["t2m_threshold_below"]
    assert threshold.attrs["standard_name"] == "air_temperature"
    assert threshold.attrs["units"] == "K"
    assert made["t2m_std"].attrs["units_metadata"] == "temperature: difference"


def test_what_decides_a_fit_has_no_key_that_older_versions_lack(done: Config) -> None:
    """Or every calibration there is would be fitted anew: a key that comes later is left out."""
    assert sorted(load_state(done.calibration)["fitted"]) == [
        *("advanced", "channels", "coefficients", "distribution", "ens10", "lead_hours", "method"),
        *("network", "season", "seed", "split", "targets", "training", "truth", "window_days"),
    ]


def test_a_calibration_of_before_the_new_names_is_not_fitted_anew(
    done: Config, tmp_path: Path
) -> None:
    config = done.model_copy(update={"folder": tmp_path})
    shutil.copytree(done.place, config.place)
    state = load_state(config.calibration)
    fitted = as_before({"postprocess": state["fitted"]})["postprocess"]
    state |= {"schema": 2, "config": as_before(state["config"]), "fitted": fitted}
    sealed(config.calibration, state)
    before = (config.calibration / STATE).read_bytes()
    assert b'"where"' in before
    postprocess(config)
    assert (config.calibration / STATE).read_bytes() == before
    postprocess(changed(config, coefficients="pooled"))
    assert (config.calibration / STATE).read_bytes() != before


def test_only_what_is_asked_for(done: Config, tmp_path: Path) -> None:
    made = written(changed(done, write=("quantiles=0.5",)), tmp_path / "few.nc")
    assert list(made.data_vars) == ["t2m_quantile"]
    assert "number" not in made.coords
    with pytest.raises(ConfigError, match="probability of z500, but what is calibrated is t2m"):
        postprocess(changed(done, write=("probabilities=z500>5e4",)), output=tmp_path / "no.nc")


def test_the_command_line_says_what(done: Config, tmp_path: Path) -> None:
    path, out = tmp_path / "run.yaml", tmp_path / "out.nc"
    path.write_text(yaml_file.dump(done))
    what = "mean,quantiles=0.2:0.8,probabilities=t2m>280"
    line = ["postprocess", "-c", str(path), "-o", str(out), "--write", what]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert "mean, quantiles 0.2, 0.8, P(t2m > 280)" in result.output
    with xr.open_dataset(out) as made:
        assert set(made.data_vars) == {"t2m_mean", "t2m_quantile", "t2m_probability_above"}
    assert CliRunner().invoke(app, [*line[:-1], "median"]).exit_code == 2


def test_raw_members_give_their_own_quantiles(done: Config, world: Path, tmp_path: Path) -> None:
    words = ("members", "quantiles=0.5", "probabilities=t2m>280")
    made = written(changed(done, method="raw", write=words), tmp_path / "raw.nc")
    raw = raw_of(world, made)
    np.testing.assert_array_equal(made["t2m"], raw)
    np.testing.assert_allclose(made["t2m_quantile"].squeeze(), raw.median("number"), rtol=1e-6)
    share = made["t2m_probability_above"].squeeze()
    np.testing.assert_allclose(share, (raw > 280).mean("number"), rtol=1e-6)
    three = written(changed(done, method="raw", members=3), tmp_path / "three.nc")
    np.testing.assert_array_equal(three["t2m"], raw.sel(number=three["number"]))
    with pytest.raises(ConfigError, match=r"7 members cannot come of 5 by postprocess.method raw"):
        postprocess(changed(done, method="raw", members=7), output=tmp_path / "o.nc")


@pytest.mark.parametrize("by", ["ecc-q", "ecc-r", "ecc-t"])
def test_members_take_the_ranks_of_the_raw_ones(
    done: Config, world: Path, tmp_path: Path, by: str
) -> None:
    made = written(changed(done, reordering=by), tmp_path / "made.nc")
    np.testing.assert_array_equal(ranks(made["t2m"]), ranks(raw_of(world, made)))
    again = written(changed(done, reordering=by), tmp_path / "again.nc")
    np.testing.assert_array_equal(made["t2m"], again["t2m"])
    if by == "ecc-t":
        np.testing.assert_allclose(made["t2m"].mean("number"), made["t2m_mean"], rtol=1e-6)


def test_fewer_and_more_members(done: Config, world: Path, tmp_path: Path) -> None:
    fewer = written(changed(done, members=3), tmp_path / "fewer.nc")
    raw = raw_of(world, fewer).sel(number=fewer["number"])
    np.testing.assert_array_equal(ranks(fewer["t2m"]), ranks(raw))
    more = written(changed(done, members=12), tmp_path / "more.nc")
    np.testing.assert_array_equal(more["number"], np.arange(12))
    first = more["t2m"].isel(number=slice(5))
    np.testing.assert_array_equal(ranks(first), ranks(raw_of(world, more)))
    other = written(changed(done, members=3).model_copy(update={"seed": 8}), tmp_path / "other.nc")
    assert other["number"].values.tolist() != fewer["number"].values.tolist()


def test_members_in_the_order_of_earlier_truth(done: Config, tmp_path: Path) -> None:
    made = written(changed(done, reordering="schaake", members=8), tmp_path / "made.nc")
    truth, start = analyses()["t2m"], made["init_time"].values[3]
    # within one year the season's nearest dates are the latest whose truth is known by then
    dates = start - np.arange(3, 11)[::-1] * 24 * HOUR
    for lead in (24, 48):
        past = truth.sel(time=dates + lead * HOUR).values
        ours = made["t2m"].sel(init_time=start, lead_time=lead * HOUR).values
        np.testing.assert_array_equal(rankdata(ours, axis=0), rankdata(past, axis=0))


@pytest.mark.parametrize("by", ["ecc-q", "ecc-r", "ecc-t"])
def test_members_that_hang_together_have_the_lower_energy_score(
    done: Config, tmp_path: Path, by: str
) -> None:
    """Of all points and lead times together, against the same values shuffled at each point.

    The errors are shared by all points, as those of real weather are by neighbours.
    """
    rng, truth = np.random.default_rng(2), analyses()
    whole = ensembles(truth).isel(init_time=slice(20, 50))
    valid = whole["init_time"].values[:, None] + whole["lead_time"].values[None, :]
    true = truth["t2m"].sel(time=valid.ravel()).values.reshape(*valid.shape, 8, 16)
    shared = rng.normal(0, 2, (6, *valid.shape, 1, 1))  # of the truth, then of each member
    members = np.stack([true - shared[0] + e for e in shared[1:]], axis=2) + BIAS
    whole["t2m"].values[:] = members + rng.normal(0, 0.2, members.shape)
    config, inputs = changed(done, reordering=by), [file_of(tmp_path, whole)]
    made = written(config, tmp_path / "o.nc", model=done.calibration, inputs=inputs)["t2m"].values

    def score(values: Any) -> float:
        flat = np.moveaxis(values, 2, 1).reshape(len(values), 5, -1)  # (N, M, L H W)
        return float(scoringrules.es_ensemble(true.reshape(len(true), -1), flat).mean())

    assert score(made) < 0.99 * score(rng.permuted(made, axis=2))


def test_too_little_history(world: Path, done: Config, tmp_path: Path) -> None:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        first = dataset.isel(init_time=slice(0, 2)).load()
    inputs = [file_of(tmp_path, first)]
    config = changed(done, reordering="schaake")
    with pytest.raises(InputError, match="before 2001-01-01T00:00 the truth has 0 dates"):
        postprocess(config, inputs=inputs, output=tmp_path / "o.nc")
    north = analyses().isel(latitude=slice(4))
    config = changed(config, truth=(file_of(tmp_path / "..", north),))
    with pytest.raises(InputError, match="needs a truth on the ensemble's grid"):
        postprocess(config, model=done.calibration, inputs=inputs, output=tmp_path / "o.nc")


def test_lead_times_that_were_not_fitted(world: Path, done: Config, tmp_path: Path) -> None:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        late = dataset.isel(init_time=slice(50, 53)).load()
    late = late.assign_coords(lead_time=late["lead_time"] + 24 * HOUR)  # 48 h, 72 h
    inputs, model, out = [file_of(tmp_path, late)], done.calibration, tmp_path / "o.nc"
    with pytest.raises(ModelError, match=r"lead times of 24, 48 h, not for 72 h: .* --any-lead"):
        postprocess(changed(done, lead_hours=(48, 72)), model=model, inputs=inputs, output=out)
    with pytest.raises(ModelError, match="not for 72 h"):
        only = [file_of(tmp_path / "..", late.isel(lead_time=[1]))]
        postprocess(done, model=model, inputs=only, output=out)
    with pytest.raises(InputError, match="lead time 24 h is not there"):
        postprocess(done, model=model, inputs=inputs, output=out)
    made = written(changed(done, any_lead=True), out, model=model, inputs=inputs)
    np.testing.assert_array_equal(made["lead_time"], [48 * HOUR, 72 * HOUR])
    one = written(changed(done, lead_hours=(48,)), tmp_path / "b.nc", model=model, inputs=inputs)
    both = made["t2m_mean"], one["t2m_mean"]
    np.testing.assert_array_equal(*(m.sel(lead_time=48 * HOUR) for m in both))
    # 72 h is corrected as 48 h is: the same coefficients at each point
    same = late.assign_coords(lead_time=late["lead_time"] - 24 * HOUR)
    file = [file_of(tmp_path, same)]
    as_48 = written(changed(done, lead_hours=(48,)), tmp_path / "c.nc", model=model, inputs=file)
    np.testing.assert_array_equal(
        made["t2m_mean"].sel(lead_time=72 * HOUR), as_48["t2m_mean"].sel(lead_time=48 * HOUR)
    )


def test_analyses_are_no_ensemble(world: Path, done: Config, tmp_path: Path) -> None:
    config = changed(done, any_lead=True)
    with pytest.raises(InputError, match="these are analyses"):
        postprocess(config, inputs=[str(world / "analyses_a.nc")], output=tmp_path / "o.nc")


def test_one_member_is_too_few(world: Path, done: Config, tmp_path: Path) -> None:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        alone = dataset.isel(number=[0], init_time=[50]).load()
    inputs = [file_of(tmp_path, alone)]
    for method in ("raw", "emos"):
        with pytest.raises(InputError, match=r"\.nc: a calibration needs at least two members; "):
            postprocess(changed(done, method=method), inputs=inputs, output=tmp_path / "o.nc")


def test_a_member_may_be_missing(world: Path, done: Config, tmp_path: Path) -> None:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        some = dataset.isel(init_time=slice(50, 53)).load()
    whole = written(done, tmp_path / "whole.nc", inputs=[file_of(tmp_path, some)])
    for array in some.data_vars.values():
        array.values[1, 0, 3] = np.nan
    gap = written(done, tmp_path / "gap.nc", inputs=[file_of(tmp_path, some)])
    missing = np.isnan(gap["t2m"]).any(["latitude", "longitude"]).values
    assert np.argwhere(missing).tolist() == [[1, 0, 3]]
    np.testing.assert_array_equal(gap["t2m"].values[[0, 2]], whole["t2m"].values[[0, 2]])
    left = gap["t2m"].isel(init_time=1, lead_time=0).dropna("number")
    np.testing.assert_allclose(
        left.mean("number"), gap["t2m_mean"].isel(init_time=1, lead_time=0), rtol=1e-6
    )
    four = some.isel(init_time=[1], lead_time=[0], number=[0, 1, 2, 4])
    alone = written(
        changed(done, lead_hours=(24,)),
        tmp_path / "four.nc",
        model=done.calibration,
        inputs=[file_of(tmp_path, four)],
    )
    np.testing.assert_array_equal(alone["t2m_mean"][0, 0], gap["t2m_mean"][1, 0])


def test_a_run_whose_ensemble_has_gaps(world: Path, tmp_path: Path) -> None:
    """From files to scores: fitted, applied and scored over the members that are there."""
    truth = analyses()
    holed = ensembles(truth)
    for name in holed.data_vars:
        holed[name].values[::3, :, 4] = np.nan
    path = file_of(tmp_path, holed)
    text = f"""
name: gaps
folder: {tmp_path}
data: {{source: none}}
postprocess:
  source: files
  files: [{path}]
  truth: ['{world}/analyses_*.nc']
  channels: [t2m]
  lead_hours: [24]
  coefficients: pooled
"""
    config = yaml_file.parse(text, "gaps.yaml")
    preprocess(config)
    postprocess(config)
    records = {r["forecast"]: r for r in evaluate(config)["scores"]}
    assert records["calibrated"]["crps"] < records["raw"]["crps"]
    with xr.open_dataset(config.place / "calibrated.nc") as made:
        assert np.isnan(made["t2m"]).any()


def test_what_the_input_says_is_said_again(world: Path, done: Config, tmp_path: Path) -> None:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        some = dataset.isel(init_time=slice(50, 52)).load()
    some.attrs = {
        "title": "Ensemble X",
        "institution": "Centre Y",
        "source": "model Z",
        "history": "2000-01-01 made",
        "references": "doi:1",
        "license": "CC BY 4.0, (c) Y",
        "comment": "as it came",
    }
    some = some.assign_coords(number=[3, 4, 7, 8, 20])
    inputs = [file_of(tmp_path, some)]
    made = written(done, tmp_path / "o.nc", inputs=inputs)
    assert made.attrs["title"] == "Ensemble X, calibrated"
    assert made.attrs["institution"] == "Centre Y"
    assert made.attrs["source"].endswith("; input: model Z")
    lines = made.attrs["history"].splitlines()
    assert lines[0] == "2000-01-01 made"
    assert lines[1].endswith("smoecast postprocess")
    assert made.attrs["references"].endswith("; input: doi:1")
    assert made.attrs["license"] == "CC BY 4.0, (c) Y"
    assert made.attrs["comment"] == "as it came"
    assert made["number"].values.tolist() == [3, 4, 7, 8, 20]
    said = done.forecast.model_copy(update={"license": "CC0", "institution": "We"})
    config = changed(done, members=7).model_copy(update={"forecast": said})
    made = written(config, tmp_path / "p.nc", inputs=inputs)
    assert made.attrs["license"] == "CC0; input: CC BY 4.0, (c) Y"
    assert made.attrs["institution"] == "We"
    assert made["number"].values.tolist() == [3, 4, 7, 8, 20, 21, 22]
