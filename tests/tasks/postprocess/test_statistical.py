"""The classical calibrations through the verbs: member by member, windows, seasons, wind speed."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import xarray as xr
from made_models import classical_calibration, sealed
from small_world import ensembles, small_run
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.fields.store import store
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.postprocess import statistical
from smoecast.tasks.postprocess.calibration import open_calibration
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.training.model_files import load_state

POOLED = "postprocess.coefficients=pooled"


@pytest.fixture(scope="module")
def place(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stores of the small world."""
    folder = tmp_path_factory.mktemp("classical")
    preprocess(small_run(world, folder))
    return folder


def variant(world: Path, place: Path, words: str, *overrides: str) -> Config:
    """The run of `place` under another name, on the same stores."""
    config = small_run(world, place, f"name={words}", *overrides)
    config.place.mkdir()
    for name in ("store.zarr", "ensemble.zarr"):
        (config.place / name).symlink_to(place / "small" / name)
    return config


ROLLING = ("window", "postprocess.window_days=20", POOLED)
BY_MEMBER = ("mbm", "postprocess.method=mbm", POOLED)


class Made(NamedTuple):
    """A variant that was fitted and applied once, and what was said."""

    config: Config
    result: dict[str, Any]
    said: str
    written: Any


@pytest.fixture(scope="module")
def made(world: Path, place: Path) -> Callable[..., Made]:
    @cache
    def make(*words: str) -> Made:
        config = variant(world, place, *words)
        with redirect_stderr(io.StringIO()) as said:
            result = postprocess(config)
        return Made(config, result, said.getvalue(), calibrated(config))

    return make


def calibrated(config: Config) -> Any:
    postprocess(config)
    with xr.open_dataset(config.place / "calibrated.nc", decode_timedelta=True) as written:
        return written.load()


def crps(config: Config) -> dict[str, float]:
    """CRPS of raw and calibrated ensembles at 24 h."""
    evaluate(config)
    scores = json.loads((config.place / "scores.json").read_text())["scores"]
    return {r["forecast"]: r["crps"] for r in scores if r.get("crps") and r["lead_hours"] == 24}


def test_member_by_member_keeps_ranks_and_improves(made: Callable[..., Made]) -> None:
    config, _, _, written = made(*BY_MEMBER)
    raw = store.open_store(config.ensemble_store)["fields"].sel(
        channel="t2m", init_time=written["init_time"]
    )
    np.testing.assert_array_equal(written["t2m"].values.argsort(2), raw.values.argsort(2))
    np.testing.assert_allclose(written["t2m"].mean("number"), written["t2m_mean"], rtol=1e-6)
    found = crps(config)
    assert found["calibrated"] < 0.8 * found["raw"]


@pytest.mark.parametrize("method", ["emos", "mbm"])
def test_one_thread_fits_and_the_others_come_back(
    world: Path, place: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, seen = getattr(statistical, method), []
    fit_ = module.fit

    def watched(*given: Any, **named: Any) -> Any:
        seen.append(torch.get_num_threads())
        return fit_(*given, **named)

    monkeypatch.setattr(module, "fit", watched)
    config = variant(world, place, f"threads-{method}", f"postprocess.method={method}", POOLED)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit(config)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_fewer_members_by_member_and_no_more(
    world: Path, place: Path, made: Callable[..., Made]
) -> None:
    few, many = (
        variant(world, place, f"of-{members}", *BY_MEMBER[1:], f"postprocess.members={members}")
        for members in (3, 9)
    )
    for config in (few, many):  # the fit is the same
        shutil.copytree(made(*BY_MEMBER).config.calibration, config.calibration)
    assert calibrated(few).sizes["number"] == 3
    with pytest.raises(ConfigError, match="9 members cannot come of 5"):
        postprocess(many)


def test_a_rolling_window_learns_from_starts_before(made: Callable[..., Made]) -> None:
    config, _, _, written = made(*ROLLING)
    state = json.loads((config.calibration / "state.json").read_text())
    starts = written["init_time"].values
    assert len(state["windows"]) == len(starts) + 1
    found = crps(config)
    assert found["calibrated"] < 0.8 * found["raw"]
    # what comes after a start does not change its calibration
    early = open_calibration(config.calibration)
    fields = store.open_store(config.ensemble_store)["fields"].sel(init_time=starts[:1]).values
    hours = np.array(config.postprocess.lead_hours)
    again, _ = early.apply(fields, starts[:1], hours).moments()
    np.testing.assert_allclose(again[0, 0, 0], written["t2m_mean"][0, 0], rtol=1e-5)
    for outside in (starts[0] - np.timedelta64(1, "D"), starts[-1] + np.timedelta64(60, "D")):
        with pytest.raises(ModelError, match="outside of the rolling windows"):
            early.apply(fields, np.array([outside]), hours)


def test_the_future_is_not_used(
    world: Path, place: Path, made: Callable[..., Made], tmp_path: Path
) -> None:
    """The truth from the first test start on is spoilt; its calibration stays the same."""
    first = (honest := made(*ROLLING).written)["init_time"].values[0]
    with xr.open_mfdataset(f"{world}/analyses_*.nc") as dataset:
        spoilt = dataset.load()
    later = spoilt["time"] > first
    spoilt["t2m"] = spoilt["t2m"] + 50.0 * later
    spoilt.to_netcdf(tmp_path / "spoilt.nc")
    truth = f"postprocess.truth=['{tmp_path}/spoilt.nc']"
    other = variant(world, place, "spoilt", *ROLLING[1:], truth)
    found = [honest["t2m_mean"], calibrated(other)["t2m_mean"]]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert float(np.abs(found[0][-1] - found[1][-1]).max()) > 1


def test_a_window_of_more_years_than_times_have() -> None:
    starts = np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(24, "h")
    (whole,) = statistical._windows(1_000_000, Path("a"), starts, 24, starts[-1:])
    assert whole.tolist() == list(range(39))


def test_a_window_too_short(world: Path, place: Path) -> None:
    config = variant(world, place, "short", "postprocess.window_days=2", POOLED)
    with pytest.raises(InputError, match=r"the 2 days before .* hold 1 starts"):
        fit(config)


@pytest.mark.parametrize("method", ["emos", "mbm"])
def test_a_season_travels_with_the_model(world: Path, place: Path, method: str) -> None:
    config = variant(
        world, place, f"season-{method}", "postprocess.season=harmonic",
        f"postprocess.method={method}", POOLED,
    )  # fmt: skip
    calibrated(config)
    found = crps(config)
    assert found["calibrated"] < 0.9 * found["raw"]


def test_wind_speed_is_never_negative(world: Path, tmp_path: Path) -> None:
    with xr.open_mfdataset(f"{world}/analyses_*.nc") as dataset:
        truth = dataset.load()
    wind = np.abs(truth["t2m"] - 280).assign_attrs(units="m s-1", long_name="wind speed")
    truth = truth.assign(ws10=wind.astype("f4")).drop_vars("t2m")
    truth.to_netcdf(tmp_path / "analyses_a.nc")
    raw = ensembles(truth.rename(ws10="t2m")).rename(t2m="ws10")
    raw["ws10"] = np.maximum(raw["ws10"], 0).assign_attrs(raw["ws10"].attrs)
    raw.to_netcdf(tmp_path / "ensembles.nc")
    config = small_run(
        tmp_path, tmp_path, "data.channels=[ws10]", "postprocess.channels=[ws10]",
        "postprocess.targets=[ws10]", "postprocess.distribution=truncated_normal", POOLED,
    )  # fmt: skip
    preprocess(config)
    assert float(calibrated(config)["ws10"].min()) >= 0
    found = crps(config)
    assert found["calibrated"] < 0.8 * found["raw"]


def test_statistics_alone_are_refused_by_member(world: Path, place: Path) -> None:
    config = small_run(world, place, "postprocess.method=mbm")
    fields = store.open_store(config.ensemble_store)["fields"].isel(number=0, drop=True)
    with pytest.raises(ConfigError, match="needs the members"):
        statistical.fit(
            config.postprocess, config.ensemble_store, fields,
            np.zeros(0, "f4"), np.ones((8, 1)), np.zeros(0, "M8[ns]"),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["postprocess.method=mbm", "postprocess.distribution=csg"], "for method emos only"),
        (["postprocess.method=smoe", "postprocess.window_days=9"], "for methods emos and mbm"),
        (["postprocess.season=harmonic", "postprocess.window_days=9"], "exclude each other"),
        (["postprocess.distribution=truncated_normal"], "never below 0"),
    ],
)
def test_settings_that_do_not_fit(world: Path, tmp_path: Path, overrides: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        small_run(world, tmp_path, *overrides)


def test_a_fit_without_its_part_names_the_key(world: Path, tmp_path: Path) -> None:
    parts = ("postprocess.split.train=0", "postprocess.split.test=1", "postprocess.method=emos")
    config = small_run(world, tmp_path, *parts, "postprocess.split.validation=0")
    with pytest.raises(ConfigError, match=r"postprocess\.split\.train is 0: give it some starts"):
        fit(config)
    preprocess(config)
    raw = small_run(
        world, tmp_path, *parts[:2], "postprocess.split.validation=0", "postprocess.method=raw"
    )
    postprocess(raw)
    assert (raw.place / "calibrated.nc").exists()


def test_a_short_record_is_told_and_kept(
    world: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = "postprocess.split={train: 0.07, validation: 0.0, test: 0.2}"
    config = variant(world, place, "handful", few, POOLED, "postprocess.write=[mean]")
    (config.place / "ensemble.zarr").unlink()
    preprocess(config)
    said = [r.model_dump() for r in open_calibration(fitted(config)).record]
    assert [(r["channel"], r["lead_hours"], r["starts"]) for r in said] == [
        ("t2m", 24, 4),
        ("t2m", 48, 4),
    ]
    assert all(r["fewest"] == 12 and r["coefficients"] == 4 and r["cases"] < 4 * 128 for r in said)
    (config.place / "handful.yaml").write_text(yaml_file.dump(config))
    done = CliRunner().invoke(app, ["postprocess", "-c", str(config.place / "handful.yaml")])
    assert done.exit_code == 0
    assert "t2m 24, 48 4 4 420.4 1" in " ".join(done.stdout.split())
    share = said[0]["share"]
    sentence = f"t2m has 4 starts, where 12 are needed, at 24 h ({share:.0%} of the fit kept)"
    assert sentence in " ".join(done.stderr.split())
    line = ["postprocess", "-c", str(config.place / "handful.yaml"), "--json"]
    assert json.loads(CliRunner().invoke(app, line).stdout)["fitted_to"] == said
    capsys.readouterr()
    assert postprocess(config)["fitted_to"] == said
    assert "starts, where" not in capsys.readouterr().err  # nothing was made


def fitted(config: Config) -> Path:
    fit(config)
    return config.calibration


def test_a_long_record_is_told_without_a_warning(made: Callable[..., Made]) -> None:
    _, result, said, _ = made(*BY_MEMBER)
    assert {r["share"] for r in result["fitted_to"]} == {1.0}
    assert all(r["starts"] >= r["fewest"] for r in result["fitted_to"])
    assert "short record" not in said


def test_a_record_that_is_none_is_refused(world: Path, place: Path) -> None:
    folder = variant(world, place, "odd").calibration
    classical_calibration(folder, "emos")
    state = load_state(folder)
    sealed(folder, {**state, "record": [{"channel": "t2m"}]})
    with pytest.raises(
        ModelError, match=r"0\.lead_hours in state\.json is wrong|record.* is wrong"
    ):
        open_calibration(folder)
