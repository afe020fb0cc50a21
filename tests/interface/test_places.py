"""Where models lie."""

from pathlib import Path

import pytest

from smoecast import zoo
from smoecast.errors import ConfigError
from smoecast.interface.places import find_model


def test_names_folders_runs_and_configs(tmp_path: Path) -> None:
    inner = tmp_path / "run" / "model"
    inner.mkdir(parents=True)
    (inner / "state.json").touch()
    (tmp_path / "run.yaml").write_text(f"name: run\nfolder: {tmp_path}\n")
    assert find_model("ncep-air-6h", "model") == zoo.folder() / "ncep-air-6h"
    assert find_model(tmp_path / "run", "model") == inner
    assert find_model(str(inner), "model") == inner
    assert find_model(tmp_path / "run.yaml", "model") == inner
    assert find_model(tmp_path / "run.yaml", "calibration") == tmp_path / "run" / "calibration"
    assert find_model(tmp_path / "run", "calibration") == tmp_path / "run"
    with pytest.raises(ConfigError, match="no such file and no such model"):
        find_model(tmp_path / "none", "model")
