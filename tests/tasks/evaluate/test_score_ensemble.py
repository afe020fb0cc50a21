"""Scores of ensembles from files: extremes, ranks, PIT, events, references, protocols."""

import csv
import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from small_world import analyses as made_analyses
from small_world import ensembles, only, with_evaluate

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError
from smoecast.fields.read.results import open_result
from smoecast.fields.store import store
from smoecast.scores.extremes import efi, sot
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.evaluate.reference import ECMWF, LEAST, ModelClimate, group_starts, open_raw
from smoecast.tasks.evaluate.tables import tables
from smoecast.tasks.plot.plot import plot
from smoecast.tasks.postprocess.postprocess import postprocess

DAY = np.timedelta64(1, "D")
ALL = ("members", "mean", "std", "quantiles=0.5", "probabilities=t2m>280:t2m<275")


def made(config: Config, path: Path, write: tuple[str, ...]) -> Path:
    section = config.postprocess.model_copy(update={"write": write})
    postprocess(config.model_copy(update={"postprocess": section}), output=path)
    return path


def truth_of(result: xr.Dataset) -> np.ndarray:
    valid = result["init_time"].values[:, None] + result["lead_time"].values[None, :]
    true = made_analyses()["t2m"].sel(time=valid.ravel()).values
    return true.reshape(*valid.shape, *true.shape[1:])


def opened(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, decode_timedelta=True) as dataset:
        return dataset.load()


def mean(values: np.ndarray, result: xr.Dataset) -> float:
    """Mean of (I, H, W) with the weights of the latitudes."""
    rows = np.cos(np.deg2rad(result["latitude"].values))
    return float(np.average(values.mean(axis=2), weights=np.broadcast_to(rows, values.shape[:2])))


@pytest.fixture(scope="module")
def whole(done: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(done, tmp_path_factory.mktemp("made") / "whole.nc", ALL)


@pytest.fixture(scope="module")
def scores(done: Config, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    changes = {"normal": True, "resamples": 200, "block_days": 1, "efi_window_days": 30}
    config = with_evaluate(done, events=("t2m>270",), **changes)
    out = tmp_path_factory.mktemp("scores") / "s.json"
    evaluate(config, inputs=[str(whole)], output=out)
    return json.loads(out.read_text())


def test_members_and_their_distribution_stand_beside_the_raw_ensemble(scores: dict) -> None:
    records = [r for r in scores["scores"] if r["lead_hours"] == 24]
    assert [r["forecast"] for r in records] == ["raw", "calibrated", "calibrated normal"]
    raw, own, normal = records
    assert 0 < normal["crps"] < own["crps"] < raw["crps"]
    assert own["crpss"] == pytest.approx(1 - own["crps"] / raw["crps"])
    assert own["crpss_low"] < own["crpss"] < own["crpss_high"]
    assert "crpss" not in raw
    assert {r["protocol"] for r in records} == {"default"}
    assert "flat_points" not in own  # 12 starts are too few for the test


def test_hardly_a_point_of_a_narrow_ensemble_is_flat(
    done: Config, world: Path, tmp_path: Path
) -> None:
    ours = [str(world / "ensembles.nc")]
    summary = evaluate(done, inputs=ours, output=tmp_path / "s.json")
    own = only(summary["scores"], forecast="ensemble", lead_hours=24)
    assert own["flat_points"] < 0.05
    assert "flat" in tables(summary)


def test_efi_and_its_weighted_score_in_a_few_lines(scores: dict, whole: Path, done: Config) -> None:
    result = opened(whole)
    with store.open_store(done.ensemble_store) as dataset:
        fields = dataset["fields"].sel(channel="t2m", lead_time=result["lead_time"].values[0])
        train = fields.isel(init_time=np.flatnonzero(dataset["train"].values)).load()
        raw = fields.sel(init_time=result["init_time"].values).values
    near = [abs((train["init_time"].values - s) / DAY) <= 30 for s in result["init_time"].values]
    climates = [train.values[n].reshape(-1, 8, 16) for n in near]
    quantiles = [np.quantile(c, np.linspace(0, 1, 101), axis=0) for c in climates]
    index = np.stack([efi(m, q, 0) for m, q in zip(raw, quantiles, strict=True)])
    tail = np.stack([sot(m, q, 0) for m, q in zip(raw, quantiles, strict=True)])
    record = only(scores["scores"], forecast="raw", lead_hours=24)
    assert record["efi"] == pytest.approx(mean(index, result), abs=1e-5)
    assert record["efi_abs"] == pytest.approx(mean(abs(index), result), rel=1e-5)
    assert record["sot90"] == pytest.approx(mean(tail, result), rel=1e-4)
    own = only(scores["scores"], forecast="calibrated normal", lead_hours=24)
    mu, sigma = (result[f"t2m_{what}"].values[:, 0].astype(float) for what in ("mean", "std"))
    z = (truth_of(result)[:, 0] - mu) / sigma
    crps = sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert own["eecrps"] == pytest.approx(mean(abs(index) * crps, result), rel=1e-5)
    assert own["log_score"] == pytest.approx(
        mean(-norm.logpdf(truth_of(result)[:, 0], mu, sigma), result), rel=1e-5
    )
    assert "efi" not in own


def test_pit_histogram_by_hand(scores: dict, whole: Path) -> None:
    result = opened(whole)
    mu, sigma = (result[f"t2m_{what}"].values[:, 0].astype(float) for what in ("mean", "std"))
    pit = norm.cdf((truth_of(result)[:, 0] - mu) / sigma)
    rows = [r for r in scores["curves"] if (r["kind"], r["lead_hours"]) == ("pit", 24)]
    assert [r["bin"] for r in rows] == list(range(20))
    for number in (0, 7, 19):
        inside = ((pit >= number / 20) & (pit < (number + 1) / 20)).astype(float)
        assert rows[number]["share"] == pytest.approx(mean(inside, result), abs=1e-6)
    ranks = [r for r in scores["curves"] if (r["kind"], r["forecast"]) == ("rank", "raw")]
    assert {r["bins"] for r in ranks} == {6}
    assert sum(r["share"] for r in ranks) == pytest.approx(2.0)  # two lead times


def test_events_of_the_file_and_of_the_config(scores: dict, whole: Path) -> None:
    result = opened(whole)
    assert {r["event"] for r in scores["events"]} == {"t2m>270", "t2m>280", "t2m<275"}
    chance = result["t2m_probability_above"].values[:, 0, 0].astype(float)
    came = (truth_of(result)[:, 0] > 280).astype(float)
    own = only(scores["events"], event="t2m>280", forecast="calibrated", lead_hours=24)
    assert own["brier"] == pytest.approx(mean((chance - came) ** 2, result), rel=1e-5)
    assert own["event_rate"] == pytest.approx(mean(came, result), rel=1e-6)
    raw = only(scores["events"], event="t2m>280", forecast="raw", lead_hours=24)
    assert own["brier_skill"] == pytest.approx(1 - own["brier"] / raw["brier"])
    assert own["brier_skill_low"] < own["brier_skill"] < own["brier_skill_high"]
    rows = [
        r
        for r in scores["curves"]
        if (r["event"], r["forecast"], r["lead_hours"]) == ("t2m>280", "calibrated", 24)
    ]
    inside = (chance >= 0.9).astype(float)
    assert rows[9]["share"] == pytest.approx(mean(inside, result), abs=1e-6)
    assert rows[9]["frequency"] == pytest.approx(mean(inside * came, result) / rows[9]["share"])
    asked = only(scores["events"], event="t2m>270", forecast="calibrated normal", lead_hours=24)
    mu, sigma = (result[f"t2m_{what}"].values[:, 0].astype(float) for what in ("mean", "std"))
    warm = (truth_of(result)[:, 0] > 270).astype(float)
    squared = (norm.sf(270, mu, sigma) - warm) ** 2
    assert asked["brier"] == pytest.approx(mean(squared, result), rel=1e-5)


def test_tables_and_files_have_all_of_it(
    scores: dict, done: Config, whole: Path, tmp_path: Path
) -> None:
    text = tables(scores)
    for word in ("crpss [95 %]", "eecrps", "SOT 90", "t2m<275", "raw: came", "0.9 to 1.0"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 125
    config = with_evaluate(done, events=("t2m>270",))
    out = tmp_path / "s.nc"
    summary = evaluate(config, inputs=[str(whole)], output=out)
    for part in ("events", "curves"):
        with xr.open_dataset(out, group=part) as table:
            assert table.sizes["row"] == len(summary[part])
            assert table["lead_hours"].values.tolist() == [r["lead_hours"] for r in summary[part]]
            name = "brier" if part == "events" else "share"
            np.testing.assert_allclose(table[name], [r[name] for r in summary[part]])
    evaluate(config, inputs=[str(whole)], output=tmp_path / "s.csv")
    with (tmp_path / "s.events.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(summary["events"])
    evaluate(done, inputs=[str(done.place / "forecast.nc")], output=tmp_path / "s.csv")
    assert not (tmp_path / "s.events.csv").exists()


def test_a_file_of_mean_and_spread_alone(done: Config, tmp_path: Path) -> None:
    path = made(done, tmp_path / "few.nc", ("mean", "std"))
    summary = evaluate(done, inputs=[str(path)], output=tmp_path / "s.json")
    assert {r["forecast"] for r in summary["scores"]} == {"raw", "calibrated"}
    assert {r["kind"] for r in summary["curves"] if r["forecast"] == "calibrated"} == {"pit"}


def test_a_file_of_probabilities_alone(done: Config, tmp_path: Path) -> None:
    path = made(done, tmp_path / "few.nc", ("probabilities=t2m>280",))
    summary = evaluate(done, inputs=[str(path)], output=tmp_path / "s.json")
    assert {r["forecast"] for r in summary["scores"]} == {"raw"}
    assert {r["forecast"] for r in summary["events"]} == {"raw", "calibrated"}
    assert "Brier" in tables(summary)


def test_products_of_another_make_are_refused(done: Config, whole: Path, tmp_path: Path) -> None:
    result = opened(whole)
    turned = result[["t2m_mean", "t2m_std"]].transpose("lead_time", ...)
    turned.to_netcdf(tmp_path / "turned.nc")
    with pytest.raises(InputError, match="has the dimensions lead_time, init_time"):
        open_result(tmp_path / "turned.nc")
    south = result.sortby("latitude")  # members are turned back when they are read
    south.to_netcdf(tmp_path / "south.nc")
    with pytest.raises(InputError, match="of other times or places than its members"):
        open_result(tmp_path / "south.nc")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.nc").write_bytes(b"\x89HDF nothing")
    with pytest.raises(InputError, match="cannot be read as NetCDF"):
        open_result(tmp_path / "cut.nc")
    with pytest.raises(InputError, match="no such file"):
        open_result(tmp_path / "none.nc")


def protocol(path: Path, word: str) -> Path:
    with netCDF4.Dataset(path, "a") as file:
        file.protocol = word
    return path


def test_protocols_never_meet_in_one_table(done: Config, whole: Path, tmp_path: Path) -> None:
    theirs = protocol(made(done, tmp_path / "theirs.nc", ALL[:3]), "ens10-paper")
    with pytest.raises(InputError, match=r"under the protocol default, .*theirs.nc under ens10-p"):
        evaluate(done, inputs=[str(whole), str(theirs)], output=tmp_path / "s.json")
    with pytest.raises(InputError, match="the results under ens10-paper"):
        evaluate(done, inputs=[str(theirs)], output=tmp_path / "s.json", against=str(whole))
    summary = evaluate(done, inputs=[str(theirs)], output=tmp_path / "s.json")
    own = only(summary["scores"], forecast="calibrated normal", lead_hours=24)
    assert own["protocol"] == summary["protocol"] == "ens10-paper"
    result = opened(theirs)
    mu, sigma = (result[f"t2m_{what}"].values[:, 0].astype(float) for what in ("mean", "std"))
    z = (truth_of(result)[:, 0] - mu) / sigma
    crps = sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert own["crps"] == pytest.approx(crps.mean(), rel=1e-6)
    # their EFI has a climate of 5 members of one day here, which is none
    assert "eecrps_ens10" not in own
    assert "every grid point counts the same" in tables(summary)


def test_the_efi_of_the_ens10_authors_has_its_own_name(
    done: Config, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smoecast.tasks.evaluate.reference.LEAST", 5)
    theirs = protocol(made(done, tmp_path / "theirs.nc", ALL[:3]), "ens10-paper")
    summary = evaluate(done, inputs=[str(theirs)], output=tmp_path / "s.json")
    own = only(summary["scores"], forecast="calibrated", lead_hours=24)
    assert 0 < own["eecrps_ens10"] < own["crps"]
    assert "eecrps (ENS-10)" in tables(summary)


def test_another_ensemble_to_compare_with(done: Config, whole: Path, tmp_path: Path) -> None:
    made_ensembles = ensembles(made_analyses())
    some = made_ensembles.isel(init_time=slice(-8, None), lead_time=[0])
    some["t2m"] = some["t2m"] - 1.0
    some.to_netcdf(tmp_path / "other.nc")
    config = with_evaluate(done, block_days=1, resamples=100, efi_window_days=30)
    other = str(tmp_path / "other.nc")
    summary = evaluate(config, inputs=[str(whole)], output=tmp_path / "s.json", against=other)
    assert [r["forecast"] for r in summary["scores"]] == ["against", "calibrated"]
    against, own = summary["scores"]
    assert (own["starts"], own["lead_hours"]) == (8, 24)
    assert against["bias"] == pytest.approx(0.5, abs=0.3)
    assert own["crpss"] == pytest.approx(1 - own["crps"] / against["crps"])
    assert own["crpss_low"] < own["crpss"] < own["crpss_high"]
    assert own["eecrps"] > 0


def test_the_other_ensemble_is_read_as_the_config_says(
    done: Config, whole: Path, tmp_path: Path
) -> None:
    """One of two heights is selected, of files of others alone: a result has no such key."""
    made_ensembles = ensembles(made_analyses()).isel(init_time=slice(-8, None), lead_time=[0])
    low, high = made_ensembles, made_ensembles.assign(t2m=made_ensembles["t2m"] + 50.0)
    low["t2m"].attrs = high["t2m"].attrs = made_ensembles["t2m"].attrs
    xr.concat([low, high], dim=xr.Variable("height", [2.0, 100.0])).to_netcdf(tmp_path / "two.nc")
    two = str(tmp_path / "two.nc")
    with pytest.raises(InputError, match="has the dimension height"):
        evaluate(done, inputs=[str(whole)], output=tmp_path / "s.json", against=two)
    section = done.postprocess.model_copy(update={"select": {"height": 2}})
    config = done.model_copy(update={"postprocess": section})
    summary = evaluate(config, inputs=[str(whole)], output=tmp_path / "s.json", against=two)
    against = only(summary["scores"], forecast="against", lead_hours=24)
    assert against["rmse"] < 10
    assert [left["name"] for left in summary["left_out"]] == ["height 100"]
    again = evaluate(config, inputs=[str(whole)], output=tmp_path / "s.json", against=str(whole))
    assert {r["forecast"] for r in again["scores"]} == {"against", "calibrated"}


def test_what_cannot_be_compared_with(done: Config, whole: Path, tmp_path: Path) -> None:
    base = ensembles(made_analyses())
    wrong = {
        "has no number": base.isel(number=0, drop=True),
        "holds none of t2m": base.drop_vars("t2m"),
        "no start or no lead time in common": base.isel(init_time=slice(0, 3)),
        "compare ensembles on the same grid": base.isel(longitude=slice(0, 8)),
    }
    for number, (words, dataset) in enumerate(wrong.items()):
        path = tmp_path / f"{number}.nc"
        dataset.to_netcdf(path)
        with pytest.raises(InputError, match=words):
            evaluate(done, inputs=[str(whole)], output=tmp_path / "s.json", against=str(path))


def test_results_of_one_kind_have_the_names_of_their_files(
    done: Config, whole: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    other = made(done, tmp_path / "a" / "whole.nc", ("mean", "std"))
    twice = [str(whole), str(other)]
    summary = evaluate(done, inputs=twice, output=tmp_path / "s.json")
    names = {r["forecast"] for r in summary["scores"]}
    assert names == {"raw", f"{whole.parent.name}/whole.nc", "a/whole.nc"}
    assert len([r for r in summary["scores"] if r["forecast"] == "raw"]) == 2
    third = made(done, tmp_path / "third.nc", ("mean", "std"))
    summary = evaluate(done, inputs=[str(whole), str(third)], output=tmp_path / "s.json")
    assert {r["forecast"] for r in summary["scores"]} == {"raw", "whole", "third"}
    evaluate(done, inputs=[str(whole), str(whole)], output=tmp_path / "s.json")  # the same path


def test_starts_of_one_season_share_their_climate(done: Config) -> None:
    starts = np.array(["2016-12-30", "2017-12-30", "2017-01-02"], "datetime64[ns]")
    days = np.array(["2000-12-20", "2000-12-31", "2001-01-18", "2001-07-01"], "datetime64[ns]")
    rng = np.random.default_rng(0)
    fields = xr.DataArray(
        rng.normal(size=(4, 1, 25, 1, 3, 2)).astype(np.float32),
        dims=("init_time", "lead_time", "number", "channel", "latitude", "longitude"),
        coords={"init_time": days, "lead_time": [DAY.astype("m8[ns]")], "channel": ["t2m"]},
    )
    climate = ModelClimate(fields, np.array([True, True, True, True]), 17)
    assert climate.members(starts).tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [True, True, True, False],
    ]
    assert [g.tolist() for g in group_starts(starts, [climate])] == [[0, 1], [2]]
    assert group_starts(starts, [])[0].tolist() == [0, 1, 2]
    lead = fields["lead_time"].values
    found = climate.quantiles(starts[0], lead, "t2m")
    assert found is not None
    expected = np.quantile(fields.values[:2, :, :, 0].reshape(50, 1, 3, 2), 0.37, axis=0)
    np.testing.assert_allclose(found[37], expected, rtol=1e-5)
    assert climate.quantiles(np.datetime64("2001-07-02"), lead, "t2m") is None
    assert LEAST == 50


def test_a_climate_is_of_the_lead_times_asked_for(done: Config) -> None:
    raw = open_raw(done.ensemble_store, 30, "default")
    assert raw is not None
    start, leads = raw.fields["init_time"].values[0], raw.fields["lead_time"].values
    both, last = (raw.climates[ECMWF].quantiles(start, some, "t2m") for some in (leads, leads[1:]))
    assert both is not None
    np.testing.assert_array_equal(last, both[:, 1:])


def test_bands_of_rows_give_the_same_climate(
    done: Config, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(done, inputs=[str(whole)], output=tmp_path / "s.json")
    monkeypatch.setattr("smoecast.tasks.evaluate.reference.BAND_BYTES", 1)
    second = evaluate(done, inputs=[str(whole)], output=tmp_path / "s.json")
    assert first["scores"] == second["scores"]


def test_without_days_there_is_no_efi(done: Config, whole: Path, tmp_path: Path) -> None:
    summary = evaluate(
        with_evaluate(done, efi_window_days=0), inputs=[str(whole)], output=tmp_path / "s.json"
    )
    assert not any("efi" in r or "eecrps" in r for r in summary["scores"])
    result = open_result(whole)
    late = result.assign_coords(init_time=result["init_time"] + 4000 * DAY)
    raw = open_raw(done.ensemble_store, 0, "default")
    assert raw is not None
    assert raw.covers(result)
    assert not raw.covers(late)


def test_a_word_that_is_no_event() -> None:
    with pytest.raises(ConfigError, match="'frost' is no event"):
        yaml_file.parse("name: x", "x.yaml", ["evaluate.events=[frost]"])


def test_histograms_and_reliability_are_drawn(
    done: Config, whole: Path, scores: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How they are painted is tested with the charts."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    config = done.model_copy(update={"folder": tmp_path})
    config.place.mkdir()
    (config.place / "scores.json").write_text(json.dumps(scores))
    files = plot(config, kinds=["ranks", "reliability"])["files"]
    assert [Path(f).name for f in files] == [
        "ranks_t2m_24h.png",
        "ranks_t2m_48h.png",
        *(
            f"reliability_t2m_{e}_{h}h.png"
            for e in ("above_270", "above_280", "below_275")
            for h in (24, 48)
        ),
    ]
    (config.place / "scores.json").write_text(json.dumps({"scores": []}))
    with pytest.raises(InputError, match="holds nothing to draw as reliability"):
        plot(config, kinds=["reliability"])
