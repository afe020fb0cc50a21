"""Scores: baselines of the training times alone, regions, seasons, intervals, files, and truths."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from small_world import analyses, only, with_evaluate
from threadpoolctl import threadpool_info, threadpool_limits

from smoecast.cli.main import app
from smoecast.config.data import Data
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.fields.store import store
from smoecast.tasks.evaluate import climatology, linear_regression
from smoecast.tasks.evaluate import truth as evaluate_truth
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.evaluate.tables import tables
from smoecast.tasks.forecast.forecast import forecast

ALL = ("persistence", "climatology", "weekly_climatology", "linear")
KEYS = ("forecast", "channel", "lead_hours", "region", "season")


@pytest.fixture(scope="module")
def rich(done: Config, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Scores of the forecast with everything that can be asked for but weeks (42 days train)."""
    config = with_evaluate(
        done,
        baselines=("persistence", "climatology", "linear"),
        regions=("global", "tropics"),
        boxes={"box": (80.0, -30.0, 30.0, 60.0)},
        seasons=True,
        resamples=200,
        block_days=1,
    )
    out = tmp_path_factory.mktemp("scores") / "rich.json"
    evaluate(config, inputs=[str(done.place / "forecast.nc")], output=out)
    return json.loads(out.read_text())


def test_records_name_everything_and_are_unique(rich: dict) -> None:
    records = rich["scores"]
    assert len({tuple(r[key] for key in KEYS) for r in records}) == len(records)
    assert {r["region"] for r in records} == {"global", "tropics", "box"}
    assert {r["season"] for r in records} == {"year", "DJF", "MAM"}
    one = only(
        records, forecast="linear", channel="z500", lead_hours=24, region="box", season="DJF"
    )
    assert (one["variable"], one["level"]) == ("z", 500)
    assert one["truth"] == "files: analyses_*.nc"
    t2m = next(r for r in records if r["channel"] == "t2m")
    assert t2m["level"] is None


def test_a_region_and_a_season_in_a_few_lines_of_numpy(rich: dict, done: Config) -> None:
    truth = analyses()["t2m"]
    with xr.open_dataset(done.place / "forecast.nc", decode_timedelta=True) as written:
        valid = written["init_time"] + written["lead_time"][1]
        inside = written["t2m"][:, 1].values - truth.sel(time=valid.values).values
    february = inside[valid.dt.month.values == 2]
    inside = february[:, :3, [0, 1, 2, 15]]  # from 78.75 to 33.75 N, from 22.5 W to 45 E
    weights = np.cos(np.deg2rad([78.75, 56.25, 33.75]))[None, :, None]
    expected = np.sqrt((inside**2 * weights).sum() / (np.ones_like(inside) * weights).sum())
    wanted = {"forecast": "forecast", "channel": "t2m", "lead_hours": 24}
    found = only(rich["scores"], **wanted, region="box", season="DJF")
    assert found["rmse"] == pytest.approx(float(expected), rel=1e-6)
    assert found["starts"] == len(inside)
    assert found["rmse_mean_of_roots"] < found["rmse"]


def test_differences_have_the_interval_that_holds_them(rich: dict) -> None:
    wanted = {"channel": "t2m", "lead_hours": 24, "region": "global", "season": "year"}
    own = only(rich["scores"], forecast="forecast", **wanted)
    assert "rmse_difference" not in own
    for name in ("persistence", "climatology", "linear"):
        other = only(rich["scores"], forecast=name, **wanted)
        assert other["rmse_difference"] == pytest.approx(own["rmse"] - other["rmse"], rel=1e-9)
        low, high = other["rmse_difference_low"], other["rmse_difference_high"]
        assert low <= other["rmse_difference"] <= high


def test_without_resamples_or_with_few_blocks_there_is_no_interval(
    done: Config, tmp_path: Path
) -> None:
    for changes in ({"resamples": 0}, {"block_days": 7}):
        config = with_evaluate(done, **changes)
        summary = evaluate(config, output=tmp_path / "plain.json")
        assert all("rmse_difference_low" not in r for r in summary["scores"])
        assert any("rmse_difference" in r for r in summary["scores"])
        assert "below zero it is better" not in tables(summary)


def test_the_climatology_is_of_the_training_times_alone(done: Config) -> None:
    truth = analyses()["t2m"].isel(time=slice(None, 168))
    with store.open_store(done.store) as dataset:
        hourly = climatology.hourly(dataset, ("t2m",))
        weekly = climatology.weekly(dataset, ("t2m",))
    when = np.array([["2001-03-01T06", "2001-02-01T18"]], "datetime64[ns]")
    for column, hour in enumerate((6, 18)):
        expected = truth.sel(time=truth.time.dt.hour == hour).mean("time", dtype=np.float64)
        np.testing.assert_allclose(hourly.at("t2m", when)[0, column], expected, rtol=1e-12)
    third = truth.isel(time=truth.time.dt.isocalendar().week.values == 3)
    found = weekly.at("t2m", np.array(["2001-01-17"], "datetime64[ns]"))[0]
    np.testing.assert_allclose(found, third.mean("time", dtype=np.float64), rtol=1e-12)


def test_a_week_without_training_is_named(done: Config, tmp_path: Path) -> None:
    config = with_evaluate(done, baselines=("weekly_climatology",))
    with pytest.raises(InputError, match="training times hold no week 7"):
        evaluate(config, output=tmp_path / "weeks.json")


def test_a_store_without_training_times_has_no_climatology(done: Config) -> None:
    with store.open_store(done.store) as dataset:
        none = dataset.assign(train=dataset["train"] & False)
        with pytest.raises(InputError, match="holds no training times"):
            climatology.hourly(none, ("t2m",))


def test_weeks_are_those_of_the_calendar() -> None:
    times = np.arange("1979-01-01", "2019-01-01", np.timedelta64(7, "h"), dtype="datetime64[ns]")
    expected = xr.DataArray(times, dims="time").dt.isocalendar().week.values
    np.testing.assert_array_equal(climatology.week_of(times), expected)


def test_linear_regression_finds_a_linear_law() -> None:
    rng = np.random.default_rng(0)
    steps, size = 1200, (2, 4, 6)
    fields = np.empty((steps, *size), np.float32)
    state = rng.normal(size=size)
    for i in range(steps):  # each field is the last one moved east, damped, with noise
        state = 0.95 * np.roll(state, 1, axis=-1) + rng.normal(size=size)
        fields[i] = 280 + state
    times = np.datetime64("2001-01-01", "ns") + np.arange(steps) * np.timedelta64(6, "h")
    latitude = np.linspace(67.5, -67.5, 4)
    dataset = xr.Dataset(
        {
            "fields": (("time", "channel", "latitude", "longitude"), fields),
            "train": ("time", np.arange(steps) < 1000),
        },
        {"time": times, "channel": ["t850", "t2m"], "latitude": latitude},
    )
    normal = climatology.hourly(dataset, ("t850", "t2m"))
    fitted = linear_regression.fit(dataset, normal, [6, 12])
    starts = times[1000:1190]
    now = fields[1000:1190]
    ahead = fitted.forecast(fitted.components(now, starts), [6, 12])
    for lead, hours in enumerate((6, 12)):
        valid = (starts + np.timedelta64(hours, "h"))[:, None]
        true = fields[1000 + lead + 1 : 1190 + lead + 1, 1]
        found = fitted.field(ahead[:, lead : lead + 1], "t2m", valid)[:, 0]
        noise = np.sqrt((1 + 0.95**2) if lead else 1.0)
        rmse = np.sqrt(((found - true) ** 2).mean())
        assert rmse == pytest.approx(noise, rel=0.08)
        assert rmse < 0.8 * np.sqrt(((now[:, 1] - true) ** 2).mean())
    assert set(fitted.ridges) == {6, 12}


def test_linear_regression_shares_no_small_work_among_threads(
    done: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, products = [], []

    def watched(work: Any) -> Any:
        def wrapper(*given: Any) -> Any:
            seen.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
            return work(*given)

        return wrapper

    def counted(self: linear_regression.Linear, fields: Any, times: Any) -> Any:
        products.append(len(times))
        return components(self, fields, times)

    components = linear_regression.Linear.components
    monkeypatch.setattr(np.linalg, "eigh", watched(np.linalg.eigh))
    monkeypatch.setattr(np.linalg, "solve", watched(np.linalg.solve))
    monkeypatch.setattr(linear_regression.Linear, "components", counted)
    monkeypatch.setattr(linear_regression, "ROWS", 8)
    with store.open_store(done.store) as dataset, threadpool_limits(2, user_api="blas"):
        linear_regression.fit(dataset, climatology.hourly(dataset, ("z500", "t2m")), [24])
        training = int(dataset["train"].sum())
    assert set(seen) == {1}
    assert products == [training]  # small fields: one product for all


def test_linear_regression_looks_at_training_times_alone(done: Config) -> None:
    with store.open_store(done.store) as lazy:
        dataset = lazy.load()
    normal = climatology.hourly(dataset, ("z500", "t2m"))
    first = linear_regression.fit(dataset, normal, [24])
    spoilt = dataset.copy(deep=True)
    spoilt["fields"].values[~dataset["train"].values] = np.nan
    second = linear_regression.fit(spoilt, climatology.hourly(spoilt, ("z500", "t2m")), [24])
    np.testing.assert_array_equal(first.weights[24], second.weights[24])


def test_linear_regression_needs_pairs(done: Config) -> None:
    with store.open_store(done.store) as dataset:
        normal = climatology.hourly(dataset, ("t2m",))
        with pytest.raises(InputError, match="hold only 4 starts with a truth 984 h later"):
            linear_regression.fit(dataset, normal, [984])


def test_csv_and_netcdf_hold_the_same_scores(done: Config, tmp_path: Path) -> None:
    summary = evaluate(done, output=tmp_path / "scores.csv")
    evaluate(done, output=tmp_path / "scores.nc")
    assert not (tmp_path / "scores.json").exists()
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(summary["scores"])
    with xr.open_dataset(tmp_path / "scores.nc", decode_timedelta=True) as cube:
        assert cube["rmse"].dims == ("forecast", "channel", "lead_time", "region", "season")
        assert cube.attrs["truth"] == summary["truth"]
        labels = dict(zip(cube["channel"].values, cube["units"].values, strict=True))
        assert labels == {"z500": "m2 s-2", "t2m": "K"}
        for row in rows:
            place = {"forecast": row["forecast"], "channel": row["channel"]}
            place |= {"region": row["region"], "season": row["season"]}
            lead = np.timedelta64(int(row["lead_hours"]), "h")
            at = cube.sel(place).sel(lead_time=lead)
            assert float(at["rmse"]) == float(row["rmse"])
            assert int(at["starts"]) == int(row["starts"])


def test_a_name_of_another_format_is_refused(done: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"end in \.json, \.csv or \.nc"):
        evaluate(done, output=tmp_path / "scores.txt")


def test_results_by_glob_and_results_that_are_not_there(done: Config, tmp_path: Path) -> None:
    found = evaluate(done, inputs=[f"{done.place}/fore*.nc"], output=tmp_path / "s.json")
    assert [entry["file"] for entry in found["files"]] == ["forecast.nc"]
    with pytest.raises(InputError, match="there is no such file; correct --input"):
        evaluate(done, inputs=[str(tmp_path / "none.nc")], output=tmp_path / "s.json")


def test_scores_that_cannot_be_written(done: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        evaluate(done, output=tmp_path / "file" / "scores.json")


def test_published_scores_stand_beside_ours_with_their_truth(done: Config, tmp_path: Path) -> None:
    summary = evaluate(done, output=tmp_path / "s.json", against="weatherbench")
    text = tables(summary)
    assert "SMoE, variant not stated" in text
    assert "NOT COMPARABLE: this run has another truth (files: analyses_*.nc; 8 x 16" in text
    assert all(entry["truth"].startswith("ERA5") for entry in summary["published"])
    assert summary["grid"] == "8 x 16"
    assert max(map(len, text.splitlines())) <= 120
    with pytest.raises(InputError, match=r"another.*correct --against"):
        evaluate(done, output=tmp_path / "s.json", against="another")


@pytest.mark.parametrize(
    ("years", "words"),
    [([2017, 2018], "Comparable: the same truth and grid"), ([2016], "starts of this run are in")],
)
def test_the_same_truth_is_told_from_another(years: list[int], words: str) -> None:
    from smoecast.tasks.evaluate.evaluate import _compare_truths

    starts = np.array([f"{year}-03-01" for year in years], "datetime64[ns]")
    grid = {"latitude": np.linspace(87, -87, 32), "longitude": np.arange(64) * 5.625}
    result = xr.Dataset(coords={"init_time": starts, **grid})
    assert words in _compare_truths(result, "weatherbench", "truth")


def test_truths_have_names(done: Config) -> None:
    def of(**changes: object) -> Data:
        return done.data.model_copy(update=changes)

    label = evaluate_truth.label_of
    assert label(of(source="planet")) == "simulated planet, no real weather"
    assert label(of(source="era5", grid="5.625")) == "ERA5, brought to grid 5.625"
    assert label(of(source="none", files=())) == "none"
    assert label(of(source="planet"), ("/x/a.nc", "/x/b.nc")) == "files: a.nc and 1 more"


def test_baselines_that_begin_before_the_truth(done: Config, tmp_path: Path) -> None:
    with xr.open_dataset(done.place / "forecast.nc", decode_timedelta=True) as written:
        late = written.load().drop_vars("valid_time")
    start = np.datetime64("2000-12-31T23", "ns")
    early = late.isel(init_time=[0]).assign_coords(init_time=[start])
    early["init_time"].attrs = late["init_time"].attrs
    early.assign_coords(lead_time=late["lead_time"] + np.timedelta64(1, "h")).to_netcdf(
        tmp_path / "early.nc"
    )
    with pytest.raises(InputError, match="the truth holds none of the starts"):
        evaluate(done, inputs=[str(tmp_path / "early.nc")], output=tmp_path / "s.json")


def test_land_without_a_mask_is_refused(done: Config) -> None:
    config = with_evaluate(done, regions=("land",))
    with pytest.raises(InputError, match="no land-sea mask of this grid for the region land"):
        evaluate(config, inputs=[str(done.place / "forecast.nc")])


def test_a_region_that_is_unknown_or_off(done: Config, tmp_path: Path) -> None:
    from smoecast.config import yaml_file

    for override, words in (
        ("evaluate.regions=[nowhere]", "nowhere"),
        ("evaluate.regions=[]", "none is named"),
        ("evaluate.boxes={tropics: [1, 2, 0, 3]}", "a region already"),
        ("evaluate.boxes={mine: [0, 2, 1, 3]}", "north above south"),
    ):
        with pytest.raises(ConfigError, match=words):
            yaml_file.parse("name: x", "x.yaml", [override])
    config = with_evaluate(done, boxes={"tiny": (1.0, 1.0, 0.0, 2.0)})
    with pytest.raises(InputError, match="region tiny holds no point"):
        evaluate(config, output=tmp_path / "s.json")


@pytest.mark.parametrize(("kind", "file"), [("wb2", ".zmetadata"), ("wb2-v3", "zarr.json")])
def test_a_weatherbench_2_store_from_forecast_to_scores(
    done: Config, tmp_path: Path, kind: str, file: str
) -> None:
    section = done.forecast.model_copy(update={"format": kind})
    config = done.model_copy(update={"forecast": section})
    out = tmp_path / "f.zarr"
    assert forecast(config, output=out)["written"]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert not forecast(config, output=out)["written"]
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert (tmp_path / "f.config.yaml").exists()
    summary = evaluate(config, inputs=[str(out)], output=tmp_path / "s.json")
    assert summary["files"][0]["file"] == f"f.zarr/{file}"
    records = summary["scores"]
    truth = analyses()
    with xr.open_zarr(out) as found:  # decoded as anyone gets it, scored in five lines
        weights = np.cos(np.deg2rad(found.latitude)) / np.cos(np.deg2rad(found.latitude)).mean()
        for name, ours in (("2m_temperature", "t2m"), ("geopotential", "z500")):
            field = found[name] if ours == "t2m" else found[name].sel(level=500)
            for lead in found.prediction_timedelta.values:
                one = field.sel(prediction_timedelta=lead)
                true = truth[ours].sel(time=(found.time + lead).values).assign_coords(time=one.time)
                rmse = float(np.sqrt(((one - true) ** 2 * weights).mean(dtype=np.float64)))
                wanted = {"forecast": "forecast", "channel": ours}
                hours = int(lead / np.timedelta64(1, "h"))
                assert only(records, **wanted, lead_hours=hours)["rmse"] == pytest.approx(
                    rmse, rel=1e-6
                )
    with pytest.raises(ConfigError, match="--format netcdf"):
        forecast(config, output=tmp_path / "f.nc")
    with pytest.raises(ConfigError, match="--format wb2"):
        forecast(done, output=out)


def test_small_blocks_give_the_same_scores(
    done: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_evaluate(done, baselines=("persistence", "climatology", "linear"))
    whole = evaluate(config, output=tmp_path / "a.json")["scores"]
    monkeypatch.setattr(evaluate_truth, "BLOCK_BYTES", 2 * 2 * 4 * 8 * 16)
    monkeypatch.setattr(climatology, "ROWS", 7)
    parts = evaluate(config, output=tmp_path / "b.json")["scores"]
    for one, other in zip(whole, parts, strict=True):
        # the linear regression sums in float32, in another order
        assert one["rmse"] == pytest.approx(other["rmse"], rel=1e-4)


def test_the_command_line(done: Config, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    config = str(done.model / "config.yaml")
    words = ["evaluate", "-c", config, "-s", f"folder={done.folder}", "-o", str(tmp_path / "s.csv")]
    result = CliRunner().invoke(app, [*words, "--against", "weatherbench"])
    assert result.exit_code == 0, result.output
    assert "forecast - it [95 %]" in result.stdout
    words = ["forecast", "-c", config, "-s", f"folder={done.folder}", "--format", "nonsense"]
    assert CliRunner().invoke(app, words).exit_code == 2
