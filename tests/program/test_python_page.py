"""The page docs/python.md: its examples, run as they stand there."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_models import classical_calibration
from small_world import analyses, ensembles

from smoecast import zoo
from smoecast.interface.engine import SmoecastBackend

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/python.md").read_text()


def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    zoo.copy_example(zoo.locate("ncep-air-6h"), tmp_path / "air.nc")
    ensembles(analyses(days=4)).to_netcdf("ens.nc")
    classical_calibration(Path("runs/mine/calibration"), "emos")
    # the name stands in the metadata of an installed wheel: tests/interface/test_engine.py
    text = PAGE.replace('engine="smoecast"', "engine=SmoecastBackend")
    names: dict[str, object] = {"SmoecastBackend": SmoecastBackend}
    said = ""
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
        out = capsys.readouterr().out
        said = out if "model.inputs" in block else said
    (words,) = re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)
    assert said == words
    assert "the analyses end at" in out
    colder, rmse = names["colder"], names["rmse"]
    assert isinstance(colder, xr.Dataset)
    assert isinstance(rmse, xr.DataArray)
    assert colder["tsig995"].shape == (1, 1, 25, 53)
    assert np.isfinite(colder["tsig995"]).all()
    assert 0.5 < float(rmse.isel(lead_time=0).mean()) < 1.5  # the card says 1.04 K at 6 h
