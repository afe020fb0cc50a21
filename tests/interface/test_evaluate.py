"""Scores taken from Python: those that the command writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from made_models import CONFIG
from small_world import analyses, ensembles

import smoecast
from smoecast.config import yaml_file
from smoecast.errors import ConfigError, InputError
from smoecast.tasks.evaluate.evaluate import evaluate

ALONE = {"baselines": ["persistence"], "resamples": 20}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A truth, a forecast and an ensemble as files."""
    made = tmp_path_factory.mktemp("scores")
    truth = analyses(days=6)
    truth.to_netcdf(made / "truth.nc")
    given = ensembles(truth)
    given.to_netcdf(made / "ens.nc")
    given.isel(number=0, drop=True).to_netcdf(made / "one.nc")
    return made


def without_truth(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records without the name of what they are taken against."""
    return [{key: value for key, value in one.items() if key != "truth"} for one in records]


@pytest.mark.parametrize("name", ["one", "ens"])
def test_files_and_datasets_have_the_scores_of_the_command(folder: Path, name: str) -> None:
    text = CONFIG.replace("targets: [t2m]", "targets: [t2m, z500]")
    text = text.replace("channels: [u250, v250]", "channels: [t2m, z500]")
    (folder / "run.yaml").write_text(f"name: run\nfolder: {folder}\n{text}")
    config = yaml_file.load(
        folder / "run.yaml", ["evaluate.baselines=[persistence]", "evaluate.resamples=20"]
    )
    files = str(folder / f"{name}.nc"), str(folder / "truth.nc")
    written = evaluate(config, inputs=[files[0]], truth=[files[1]], output=folder / f"{name}.json")
    with xr.open_dataset(files[0], decode_timedelta=True) as given:
        for forecast, truth in (
            (given, analyses(days=6)),
            (smoecast.open(files[0]), smoecast.open(files[1])),
        ):
            found = smoecast.evaluate(forecast, truth, **ALONE)
            assert without_truth(found.records) == without_truth(written["scores"])
            assert without_truth(found.curves) == without_truth(written["curves"])
            assert found.bootstrap == written["bootstrap"]
    assert ("spread" in found.table) == (name == "ens")
    score = found.table["rmse"].sel(channel="t2m", region="global", season="year")
    assert np.isfinite(score.isel(forecast=0)).all()
    assert "t2m [K]" in str(found)
    assert "truth: the truth" in str(found)
    for run in (None, folder / "run.yaml"):
        of_files = smoecast.evaluate(*files, run=run, **ALONE)
        assert of_files.records == written["scores"]


def test_products_in_memory_are_scored(folder: Path) -> None:
    given = ensembles(analyses(days=6))[["t2m"]]
    mean, std = given["t2m"].mean("number"), given["t2m"].std("number", ddof=1)
    products = xr.Dataset({"t2m_mean": mean, "t2m_std": std})
    found = smoecast.evaluate(products, analyses(days=6), events=["t2m>280"], resamples=0)
    assert {record["channel"] for record in found.records} == {"t2m"}
    assert all("crps" in record for record in found.records)
    assert found.events


def test_refusals(folder: Path, tmp_path: Path) -> None:
    given = ensembles(analyses(days=6)).isel(number=0, drop=True)
    with pytest.raises(InputError, match="the forecast: there is no truth to score it against"):
        smoecast.evaluate(given)
    with pytest.raises(InputError, match="has no channel that the truth has, but t2m"):
        smoecast.evaluate(given[["t2m"]], analyses(days=6)[["z500"]])
    with pytest.raises(InputError, match="could be fitted"):
        smoecast.evaluate(given, analyses(days=6), baselines=["climatology"])
    with pytest.raises(ConfigError, match=r"smoecast.evaluate: evaluate.regions|regions: \['moon"):
        smoecast.evaluate(given, analyses(days=6), regions=["moon"])
    with pytest.raises(ConfigError, match="no such file and no such model"):
        smoecast.evaluate(given, run=tmp_path / "none.yaml")
