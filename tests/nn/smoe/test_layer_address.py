"""`smoecast.nn` is where anybody finds the layer; it costs nothing until it is asked for."""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
import torch

import smoecast.nn
from smoecast.config.network import Smoe
from smoecast.nn import SMoESettings, SpatialMoE2d

DOCS = Path(__file__).parents[3] / "docs"


def test_the_address_is_light():
    code = "import smoecast, smoecast.nn, sys; assert 'torch' not in sys.modules; "
    code += "from smoecast.nn import SpatialMoE2d; assert 'torch' in sys.modules; "
    code += "assert not {'xarray', 'pydantic'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_all_that_is_named_is_there_and_no_more():
    for name in smoecast.nn.__all__:
        assert getattr(smoecast.nn, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'SpatialMoE3d'"):
        _ = smoecast.nn.SpatialMoE3d


def test_the_page_about_the_layer_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "layer.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        torch.manual_seed(0)
        names = {}
        exec(compile(block, "docs/layer.md", "exec"), names)
    assert names["loss"].item() < 0.5
    assert (tmp_path / "network.pt").exists()


def test_presets():
    paper, ours = SMoESettings.preset("paper"), SMoESettings.preset("comparative")
    assert paper == SMoESettings()
    assert all(getattr(paper, f.name) != getattr(ours, f.name) for f in fields(paper)[:4])
    assert SMoESettings.preset("comparative", experts_per_channel=4).experts_per_channel == 4
    with pytest.raises(FrozenInstanceError):
        paper.order = "expert"


def test_comparative_is_what_networks_have_by_default():
    smoe, ours = Smoe(), SMoESettings.preset("comparative")
    for field in fields(ours):
        place = smoe if field.name == "experts_per_channel" else smoe.advanced
        assert getattr(ours, field.name) == getattr(place, field.name)
    layer = SpatialMoE2d(3, 2, 8, grid=(4, 6), settings="comparative")
    assert layer.objective.damping == smoe.advanced.damping
    assert SpatialMoE2d(3, 2, 8, grid=(4, 6)).objective.damping == 0.1
