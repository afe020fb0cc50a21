"""Frozen models: each SMoE layer one filter for each point, the same forecasts."""

from pathlib import Path

import pytest
import torch
from made_models import classical_calibration, forecast_model, network_calibration
from typer.testing import CliRunner

from smoecast import zoo
from smoecast.cli.main import app
from smoecast.nn.convolutions import PointConv2d
from smoecast.nn.smoe.model_layers import smoe_layers
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.models import freeze_model
from smoecast.tasks.postprocess.calibration import open_calibration

run = CliRunner().invoke


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["network.smoe.layers=all", "network.smoe.experts_per_channel=2"],
        ["network.smoe.layers=all", "network.smoe.preset=paper"],
        ["network.local_bias=true", "network.kind=unet", "network.levels=2"],
    ],
)
def test_a_frozen_model_forecasts_the_same(settings: list[str], tmp_path: Path) -> None:
    made = forecast_model(tmp_path / "model", *settings)
    freeze_model(made, tmp_path / "frozen")
    before, after = open_model(made), open_model(tmp_path / "frozen")
    fields = torch.randn(3, len(before.inputs.names), *before.inputs.grid.shape)
    with torch.no_grad():
        torch.testing.assert_close(after.network(fields), before.network(fields))
    layers = [m for m in after.network.modules() if isinstance(m, PointConv2d)]
    assert len(layers) == len(smoe_layers(before.network)) > 0
    assert not smoe_layers(after.network)
    assert after.state["frozen_from"] == before.state["sha256"]["state.json"]


@pytest.mark.parametrize("name", ["planet-smoe", "ncep-air-6h"])
def test_models_of_the_zoo_freeze(name: str, tmp_path: Path) -> None:
    freeze_model(zoo.locate(name), tmp_path / "frozen")
    before, after = open_model(zoo.locate(name)), open_model(tmp_path / "frozen")
    torch.manual_seed(0)
    fields = before.network.normalizer.input_mean[:, None, None] + torch.randn(
        2, len(before.inputs.names), *before.inputs.grid.shape
    )
    with torch.no_grad():
        torch.testing.assert_close(
            after.network(fields), before.network(fields), rtol=1e-5, atol=1e-3
        )


def test_a_calibration_freezes_too(tmp_path: Path) -> None:
    made = network_calibration(tmp_path / "model", "smoe")
    ran = run(app, ["models", "freeze", str(made), "-o", str(tmp_path / "frozen")])
    assert ran.exit_code == 0, ran.output
    assert "use it with --model" in ran.output
    frozen = open_calibration(tmp_path / "frozen")
    assert frozen.method == "smoe"
    assert frozen.parameters > open_calibration(made).parameters


REFUSED = {
    "no layer": (lambda p: forecast_model(p, "network.smoe.layers=none"), 6, "no SMoE layer"),
    "gate": (
        lambda p: forecast_model(p, "network.smoe.advanced.gate=conv"), 6, "depends on the weather",
    ),
    "emos": (lambda p: classical_calibration(p, "emos"), 6, "a calibration by emos"),
    "lenet": (lambda p: network_calibration(p, "lenet"), 6, "a calibration by lenet"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_has_no_choice_to_freeze(name: str, tmp_path: Path) -> None:
    make, code, message = REFUSED[name]
    made = make(tmp_path / "model")
    ran = run(app, ["models", "freeze", str(made), "-o", str(tmp_path / "frozen")])
    assert (ran.exit_code, message in ran.output) == (code, True), ran.output
    assert not (tmp_path / "frozen").exists()


def test_refuses_to_write_over_a_folder(tmp_path: Path) -> None:
    made = forecast_model(tmp_path / "model")
    ran = run(app, ["models", "freeze", str(made), "-o", str(made)])
    assert ran.exit_code == 5
    assert "is there already" in ran.output
