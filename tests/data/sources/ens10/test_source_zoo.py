"""ENS-10 in its exact layout under the configs of the zoo: from GRIB to calibrated NetCDF."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from loopback import Shelf, serving
from made_ens10 import SURFACE, file, lean
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.data.sources.ens10 import source
from smoecast.fields.store import store
from smoecast.tasks.postprocess import fit_network
from smoecast.training.job import TrainingJob
from smoecast.training.model_files import load_state, load_tensors

ROWS, COLUMNS = 90 - 30.0 * np.arange(7), 30.0 * np.arange(12)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """Serve one date of ENS-10; return a folder and what every command is told."""
    folder = tmp_path_factory.mktemp("ens10")
    times = np.arange("1998-01-01", "2018-02-01", dtype="datetime64[D]").astype("datetime64[ns]")
    place = {"latitude": ROWS, "longitude": COLUMNS}
    rng = np.random.default_rng(0)
    fields: dict[str, Any] = {
        "t2m": (("time", *place), 280 + rng.normal(size=(len(times), 7, 12)), {"units": "K"}),
        "lsm": (tuple(place), rng.random((7, 12)), {"units": "1"}),
        "orography": (tuple(place), 1e3 * rng.random((7, 12)), {"units": "m"}),
    }
    xr.Dataset(fields, {"time": times, **place}).astype("f4").to_netcdf(folder / "truth.nc")
    shelf = Shelf({"/output.sfc.20180104": file("sfc", "0104", SURFACE, lean())})
    with pytest.MonkeyPatch.context() as patch, serving(shelf):
        patch.setattr(source, "DATES", (date(2018, 1, 4),))
        settings = [
            f"folder={folder}",
            "data.source=files",
            f"data.files=[{folder}/truth.nc]",
            f"download.url={shelf.address}",
            "postprocess.training.epochs=2",
            "postprocess.training.threads=1",
        ]
        yield folder, [word for setting in settings for word in ("--set", setting)]


def smoecast(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def chain(name: str, folder: Path, said: list[str]) -> xr.Dataset:
    """Run a config of the zoo and return what it wrote."""
    # all ask for the same of the same file: what came for one is that of the others
    for raw in folder.glob("ens10-*/raw"):
        shutil.copytree(raw, folder / name / "raw", dirs_exist_ok=True)
    for verb in ("download", "preprocess", "postprocess"):
        smoecast(verb, "-c", name, *said)
    with xr.open_dataset(folder / name / "calibrated.nc", decode_timedelta=True) as made:
        return made.load()


def test_from_grib_to_calibrated_netcdf(given: tuple[Path, list[str]]) -> None:
    folder, said = given
    made = chain("ens10-smoe-t2m", folder, said)
    assert "calibrated" in smoecast("evaluate", "-c", "ens10-smoe-t2m", *said)
    assert made["t2m"].shape == (2, 1, 10, 7, 12)  # 4 January 2016 and 2017
    np.testing.assert_allclose(made["t2m"].mean("number"), made["t2m_mean"], rtol=1e-6)
    assert made.attrs["protocol"] == "default"
    with store.open_store(folder / "ens10-smoe-t2m" / "ensemble.zarr") as ensembles:
        assert ensembles["fields"].shape == (20, 1, 22, 7, 12)
    state = load_state(folder / "ens10-smoe-t2m" / "calibration")
    assert sorted(state["constants"]) == ["lsm", "orography"]
    assert state["protocol"] == "default"


def test_the_protocol_of_the_paper(
    given: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on 1998 to 2015, chosen on 2016 and 2017, rows without weights, and labelled so."""
    folder, said = given
    seen: dict[str, Any] = {}
    work = fit_network.learn

    def watched(network: Any, job: TrainingJob, **more: Any) -> Any:
        seen.update(train=job.samples.starts, choice=job.validation.starts, loss=job.loss)
        return work(network, job, **more)

    monkeypatch.setattr(fit_network, "learn", watched)
    name, mine = "ens10-paper-t2m", [*said, "--set", "postprocess.method=lenet"]
    made = chain(name, folder, mine)
    assert made.attrs["protocol"] == "ens10-paper"
    state = load_state(folder / name / "calibration")
    assert state["protocol"] == state["fitted"]["protocol"] == "ens10-paper"
    years = {part: seen[part].astype("datetime64[Y]").astype(str) for part in ("train", "choice")}
    assert years["train"].tolist() == [str(year) for year in range(1998, 2016)]
    assert years["choice"].tolist() == ["2016", "2017"]
    output, truth = torch.zeros(1, 2, 7, 12), torch.zeros(1, 1, 7, 12)
    output[:, 1] = 1.0
    losses = []
    for row in (0, 3):  # a pole and the equator
        moved = truth.clone()
        moved[:, :, row] = 5.0
        losses.append(float(seen["loss"](output, moved)))
    assert losses[0] == pytest.approx(losses[1])
    scale = load_tensors(folder / name / "calibration")["normalizer.target_scale"]
    assert scale.shape == (1,)
    again = smoecast("postprocess", "-c", name, *mine)
    assert "nothing to do" in again


def test_members_are_asked_for_where_they_are_needed(given: tuple[Path, list[str]]) -> None:
    name, said = "ens10-paper-t2m", given[1]
    smoecast("download", "-c", name, *said)
    smoecast("preprocess", "-c", name, *said)
    words = ["postprocess", "-c", name, *said, "--set", "postprocess.method=transformer"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "transformer needs the members (postprocess.ens10.keep: members)" in result.output
