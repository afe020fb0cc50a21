"""Every calibration network goes through fitting, stopping, saving, opening and applying."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from small_world import analyses, ensembles, small_run
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.postprocess import NETWORKS, PostprocessAdvanced
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, Interrupted, ModelError
from smoecast.fields.grid import place_from_dict
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.postprocess import fit_network
from smoecast.tasks.postprocess.network import check_members, open_correction
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.training.model_files import load_state, load_tensors

COUNTS = "postprocess.advanced.member_counts="
HOUR = np.timedelta64(3_600_000_000_000, "ns")
KINDS = {
    **{method: f"method: {method}" for method in NETWORKS},
    # a small one: after eleven large steps an epoch the statistics of a wide network's batch
    # normalisation lag behind its weights (losses 0.7 and 2.9), with SMoE or without
    "smoe": "method: smoe, network: {width: 6, blocks: 1}",
    "mlp for any grid": "method: mlp, coefficients: pooled",
    "U-Net with SMoE": "method: smoe, advanced: {correction_units: error}, "
    "network: {kind: unet, width: 4, local_bias: true, smoe: {layers: [block.1]}}",
    "several sizes": "method: smoe, advanced: {member_counts: [3, 5], lead_statistics: apart}, "
    "network: {width: 6, blocks: 1}",
    "plain network": "method: smoe, network: {width: 6, blocks: 1, smoe: {layers: none}}",
}
PARAMETERS = {"mlp": 128 * (2 * 2 + 3 + 1 + 3) + 2, "lenet": 64 * 5 * 9 + 64 + 20_500 + 2688 + 258}
"""On two channels: their moments, of mlp the position too, and the lead time."""


def world_run(world: Path, folder: Path, kind: str, *overrides: str) -> Config:
    settings = KINDS[kind].replace(
        "method", "training: {epochs: 3, batch_size: 8, threads: 1, learning_rate: 0.01}, method", 1
    )
    given = "postprocess={source: files, channels: [z500, t2m], targets: [t2m], "
    given += f"lead_hours: [24, 48], files: ['{world}/ensembles.nc'], {settings}}}"
    return small_run(world, folder, given, *overrides)


def smoecast(*words: str) -> Any:
    return CliRunner().invoke(app, [*words])


@pytest.fixture(scope="module")
def stores(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `preprocess` makes of the small world, the same for every network."""
    config = world_run(world, tmp_path_factory.mktemp("stores"), "smoe")
    assert preprocess(config)["ensembles"]["written"]
    return config.place


def run_on(stores: Path, world: Path, folder: Path, kind: str, *overrides: str) -> Config:
    """Return a run whose stores are there."""
    config = world_run(world, folder, kind, *overrides)
    shutil.copytree(stores, config.place)
    return config


@dataclass(frozen=True)
class Fitted:
    """A run of one kind, and what its `postprocess` said."""

    config: Config
    path: Path
    said: str


Fits = Callable[[str], Fitted]


@pytest.fixture(scope="module")
def fitted(stores: Path, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Fits:
    """Fit one kind from the command line; once, however many tests look at it."""

    @cache
    def fit(kind: str) -> Fitted:
        folder = tmp_path_factory.mktemp(kind.replace(" ", "_"))
        config = run_on(stores, world, folder, kind)
        path = folder / "run.yaml"
        path.write_text(yaml_file.dump(config))
        result = smoecast("preprocess", "-c", str(path))
        assert "nothing to do" in result.output  # one store serves every network
        result = smoecast("postprocess", "-c", str(path))
        assert result.exit_code == 0, result.output
        return Fitted(config, path, result.output)

    return fit


@pytest.mark.parametrize("kind", list(KINDS))
def test_from_the_command_line_to_better_scores(kind: str, fitted: Fits) -> None:
    config, path = fitted(kind).config, fitted(kind).path
    assert "t2m at 24 h, 48 h, 5 members" in fitted(kind).said
    assert "nothing to do" in smoecast("postprocess", "-c", str(path)).output
    result = smoecast("models", "verify", str(config.calibration))
    assert result.exit_code == 0, result.output
    if kind in PARAMETERS:
        assert f"{PARAMETERS[kind]:,} parameters" in result.output
    records = {r["forecast"]: r for r in evaluate(config)["scores"]}
    assert records["calibrated"]["crps"] < 0.9 * records["raw"]["crps"]
    with xr.open_dataset(config.place / "calibrated.nc") as made:
        assert made.attrs["protocol"] == "default"
        assert made["t2m"].sizes["number"] == 5
    assert load_state(config.calibration)["protocol"] == "default"


@pytest.mark.parametrize("kind", ["transformer", "lenet", "several sizes"])
def test_a_fit_that_was_stopped_ends_as_one_that_was_not(
    kind: str,
    fitted: Fits,
    stores: Path,
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, cut = fitted(kind).config, run_on(stores, world, tmp_path, kind)
    batch, calls = fit_network.EnsembleSamples.batch, []

    def stopped(samples: Any, indices: Any) -> Any:
        calls.append(1)
        if len(calls) == 12:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch(samples, indices)

    with monkeypatch.context() as patch:
        patch.setattr(fit_network.EnsembleSamples, "batch", stopped)
        with pytest.raises(Interrupted):
            postprocess(cut)
    postprocess(cut)
    ours, theirs = (load_tensors(config.calibration) for config in (whole, cut))
    assert all(value.equal(theirs[name]) for name, value in ours.items())


def test_a_refused_fit_leaves_the_calibration_that_is_there(fitted: Fits) -> None:
    config = fitted("lenet").config
    before = (config.calibration / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match="seed"):
        postprocess(config.model_copy(update={"seed": config.seed + 1}))
    assert (config.calibration / "config.yaml").read_bytes() == before


def written(config: Config, folder: Path, dataset: xr.Dataset, **settings: Any) -> xr.Dataset:
    """Apply a fitted calibration to some starts."""
    path = folder / "in.nc"
    dataset.to_netcdf(path)
    changed = config.model_copy(
        update={"postprocess": config.postprocess.model_copy(update=settings)}
    )
    out = folder / "out.nc"
    out.unlink(missing_ok=True)
    postprocess(changed, model=config.calibration, inputs=[str(path)], output=out)
    with xr.open_dataset(out, decode_timedelta=True) as made:
        return made.load()


@pytest.mark.parametrize("kind", ["transformer", "mlp for any grid", "lenet", "several sizes"])
def test_members_may_be_missing_more_or_fewer(kind: str, fitted: Fits, tmp_path: Path) -> None:
    some = ensembles(analyses()).isel(init_time=slice(40, 42))
    gap = some.copy(deep=True)
    for array in gap.data_vars.values():
        array.values[:, :, 3] = np.nan
    with_gap = written(fitted(kind).config, tmp_path, gap)
    without = written(fitted(kind).config, tmp_path, some.isel(number=[0, 1, 2, 4]))
    for name in ("t2m_mean", "t2m_std"):
        np.testing.assert_allclose(with_gap[name], without[name], rtol=1e-5)
    assert np.isnan(with_gap["t2m"].values).mean() == 0.2
    twice = xr.concat([some, some.assign_coords(number=np.arange(5, 10))], "number")
    assert written(fitted(kind).config, tmp_path, twice)["t2m"].sizes["number"] == 10
    with pytest.raises(InputError, match="at least two members"):
        written(fitted(kind).config, tmp_path, some.isel(number=[0]))


def test_any_lead_time_as_the_nearest(fitted: Fits, tmp_path: Path) -> None:
    some = ensembles(analyses()).isel(init_time=slice(40, 42), lead_time=[1])
    late = some.assign_coords(lead_time=some["lead_time"] + 24 * HOUR)  # 72 h as 48 h
    for kind in ("transformer", "lenet"):
        made = written(fitted(kind).config, tmp_path, late, any_lead=True)
        same = written(fitted(kind).config, tmp_path, some, lead_hours=(48,), any_lead=True)
        np.testing.assert_array_equal(made["t2m_mean"], same["t2m_mean"])


def test_other_grids(fitted: Fits, tmp_path: Path) -> None:
    north = ensembles(analyses()).isel(init_time=slice(40, 42), latitude=slice(4))
    made = written(fitted("mlp for any grid").config, tmp_path, north)
    assert made["t2m_mean"].shape == (2, 2, 4, 16)
    for kind in ("transformer", "lenet"):
        with pytest.raises(ModelError, match=r"the calibration on .*; fit one on this grid"):
            written(fitted(kind).config, tmp_path, north)


def test_a_network_that_does_not_fit_the_grid_is_refused(world: Path, tmp_path: Path) -> None:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        dataset.isel(latitude=slice(4)).to_netcdf(tmp_path / "north.nc")
    analyses().isel(latitude=slice(4)).to_netcdf(tmp_path / "truth.nc")
    places = {"files": "north", "truth": "truth"}
    narrow = [f"postprocess.{k}=['{tmp_path}/{v}.nc']" for k, v in places.items()]
    narrow.append("data={source: none}")
    config = world_run(world, tmp_path / "n", "unet", *narrow)
    preprocess(config)
    with pytest.raises(ConfigError, match="postprocess: method unet halves the grid twice"):
        postprocess(config)


def test_weights_of_another_network_are_refused(fitted: Fits, tmp_path: Path) -> None:
    """A state whose config was changed by hand."""
    source, folder = fitted("lenet").config.calibration, tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    state = (source / "state.json").read_text()
    (folder / "state.json").write_text(state.replace('"method": "lenet"', '"method": "mlp"'))
    result = smoecast("models", "verify", str(folder))
    assert result.exit_code == 6
    assert "was changed after it was saved" in result.output


def test_a_network_needs_a_part_to_be_chosen_by(world: Path, tmp_path: Path) -> None:
    split = "postprocess.split={train: 0.8, validation: 0.0, test: 0.2}"
    config = world_run(world, tmp_path, "mlp", split)
    preprocess(config)
    with pytest.raises(ConfigError, match=r"postprocess.split.validation is 0: give it some start"):
        postprocess(config)


def test_a_network_of_several_sizes_knows_how_many_members_there_are(
    fitted: Fits, tmp_path: Path
) -> None:
    """Each member twice: the same mean and, but for M - 1, spread; only the number differs."""
    some = ensembles(analyses()).isel(init_time=slice(40, 42))
    twice = xr.concat([some, some.assign_coords(number=np.arange(5, 10))], "number")
    shrink = np.sqrt((2 * 5 - 1) / (2 * (5 - 1)))
    wide = twice.mean("number") + shrink * (twice - twice.mean("number"))
    for kind, knows in (("several sizes", True), ("lenet", False)):
        one, two = (written(fitted(kind).config, tmp_path, d)["t2m_std"] for d in (some, wide))
        assert np.allclose(one, two, rtol=1e-3) != knows


def test_no_more_members_are_learned_from_than_there_are(
    stores: Path, world: Path, tmp_path: Path
) -> None:
    config = run_on(stores, world, tmp_path, "several sizes", f"{COUNTS}[3, 6]")
    with pytest.raises(ConfigError, match=r"has 5 members; .*member_counts asks"):
        postprocess(config)


def test_mean_and_spread_are_no_members_to_choose_from() -> None:
    settings = Config().postprocess.model_copy(
        update={"method": "smoe", "advanced": PostprocessAdvanced(member_counts=(3,))}
    )
    with pytest.raises(ConfigError, match=r"advanced.member_counts needs the members .* leave"):
        check_members(settings, 0, Path("store"))


def test_what_an_older_calibration_says_of_itself_is_unchanged(fitted: Fits) -> None:
    kept = load_state(fitted("lenet").config.calibration)["fitted"]["advanced"]
    assert kept == {"correction_units": "spread"}
    kept = load_state(fitted("several sizes").config.calibration)["fitted"]["advanced"]
    assert kept == {
        "correction_units": "spread", "lead_statistics": "apart", "member_counts": [3, 5]
    }  # fmt: skip


def test_statistics_of_a_lead_time_that_are_missing_are_refused(
    fitted: Fits,
) -> None:
    folder = fitted("several sizes").config.calibration
    state = load_state(folder)
    tensors = load_tensors(folder, state)
    settings = fitted("several sizes").config.postprocess
    place = place_from_dict(state["grid"])
    open_correction(settings, state, tensors, place)
    for name in ("apart.1.input_mean", "apart.0.target_scale"):
        fewer = {key: value for key, value in tensors.items() if key != name}
        with pytest.raises(ModelError, match=r"do not fit the calibration network .* is missing"):
            open_correction(settings, state, fewer, place)
