"""A model that is not whole, not as it was saved, or not one at all, is refused: exit 6."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_models import (
    GRID,
    as_before,
    classical_calibration,
    forecast_model,
    network_calibration,
    sealed,
    with_tensors,
)
from safetensors.torch import load, save
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.errors import ModelError
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.models import verify_model
from smoecast.tasks.postprocess.calibration import open_calibration
from smoecast.training.model_files import STATE, TENSORS

State = dict[str, Any]
Tensors = dict[str, torch.Tensor]
run = CliRunner().invoke


def swap(state: State) -> None:
    state["channels"] = ["v250", "u250"]


def without(key: str) -> Callable[[State], None]:
    return lambda state: state.pop(key)


def put(value: object, *path: str) -> Callable[[State], None]:
    def change(state: Any) -> None:
        for name in path[:-1]:
            state = state[name]
        state[path[-1]] = value

    return change


STATES = [
    (swap, "channels are v250, u250, its config u250, v250"),
    (put(["v250", "u250"], "config", "data", "channels"), "channels are u250, v250"),
    (put(["u250"], "targets"), "targets are u250"),
    (put(["slt"], "constants"), "constants are slt"),
    (put(["x"], "inputs"), "inputs in state.json are not those of its config"),
    (put([0, 12], "config", "sample", "history_hours"), "inputs in state.json"),
    (put([6], "config", "sample", "lead_hours"), "other inputs or outputs"),
    (put(1_000_000, "config", "network", "blocks"), "network.blocks: input should be less"),
    (put(200, "config", "network", "blocks"), "the network has"),
    (put(8000, "config", "network", "width"), "the network has"),
    (put(1024.0, "config", "network", "smoe", "expansion"), "the network has"),
    (put("future", "config", "key"), "key: there is no such key"),
    (put(5, "config"), "config in state.json is wrong"),
    (put([[["x"]]], "config", "data", "files"), "data.files.0: "),
    (put({"u250": 0.0}, "statistics", "mean"), "lacks statistics"),
    (put({"u250": 0.0, "v250": 1.0}, "statistics", "std"), "statistics.std.u250"),
    (put(math.nan, "statistics", "mean", "u250"), "statistics.mean.u250"),
    (put("1", "statistics", "mean", "u250"), "statistics.mean.u250"),
    (put([], "grid", "latitude"), "latitude of its grid is no list"),
    (put([math.nan] * 8, "grid", "latitude"), "latitude of its grid is no list"),
    (put(["1"] * 8, "grid", "latitude"), "latitude of its grid is no list"),
    (put([True] * 8, "grid", "latitude"), "latitude of its grid is no list"),
    (put([10**400] * 8, "grid", "latitude"), "latitude of its grid is no list"),
    (put([0.0] * 200_000, "grid", "latitude"), "latitude of its grid is no list"),
    (put([0.0] * 8, "grid", "latitude"), "from north to south"),
    (put([100.0 - i for i in range(8)], "grid", "latitude"), "from north to south"),
    (put([30.0 * i for i in range(16)], "grid", "longitude"), "from west to east"),
    (put([1000.0 + i for i in range(16)], "grid", "longitude"), "from west to east"),
    (put([2.0 * i for i in range(15)], "grid", "longitude"), "the tensor constants has the shape"),
    (put("emos", "kind"), "no forecast model"),
    (put(["forecast"], "kind"), "no forecast model"),
    *[(without(k), k) for k in ("config", "grid", "inputs", "channels", "targets", "constants")],
    (without("statistics"), "statistics"),
    (without("sha256"), "is damaged"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return forecast_model(tmp_path / "model")


def change_state(folder: Path, change: Callable[[State], None]) -> None:
    state = json.loads((folder / STATE).read_text())
    change(state)
    sealed(folder, state)


def test_a_whole_model_passes(folder: Path) -> None:
    model = open_model(folder)
    fields = torch.zeros(1, len(model.inputs.names), *GRID.shape)
    assert model.network(fields).isfinite().all()
    assert verify_model(folder)["sealed"]
    assert "whole and right" in run(app, ["models", "verify", str(folder)]).output


@pytest.mark.parametrize("schema", [1, 2])
def test_a_model_of_before_the_new_names_forecasts_and_verifies(
    tmp_path: Path, schema: int
) -> None:
    sizes = ("network.smoe.advanced.expansion_at={last: 2}", "network.local_bias=true")
    folder = forecast_model(tmp_path / "model", *sizes)
    fields = torch.randn(1, len(open_model(folder).inputs.names), *GRID.shape)
    expected = open_model(folder).network(fields)
    state = json.loads((folder / STATE).read_text())
    state |= {"schema": schema, "config": as_before(state["config"])}
    assert state["config"]["network"]["offset"] is True
    assert state["config"]["network"]["smoe"]["expansion"] == {"last": 2.0}
    assert not {"local_bias", "expansion_at"} & set(re.findall(r"\w+", json.dumps(state["config"])))
    sealed(folder, state)
    if schema == 1:
        del state["sha256"][STATE]
        (folder / STATE).write_text(json.dumps(state))
    (folder / "config.yaml").write_text(json.dumps(state["config"]))
    assert torch.equal(open_model(folder).network(fields), expected)
    assert verify_model(folder)["sealed"] == (schema == 2)


@pytest.mark.parametrize("method", ["emos", "smoe"])
def test_a_calibration_of_before_the_new_names_is_read(tmp_path: Path, method: str) -> None:
    make = network_calibration if method == "smoe" else classical_calibration
    folder = make(tmp_path / "calibration", method)
    expected = open_calibration(folder).parameters
    state = json.loads((folder / STATE).read_text())
    state |= {"schema": 2, "config": as_before(state["config"])}
    sealed(folder, state)
    assert "where" in state["config"]["postprocess"]
    assert open_calibration(folder).parameters == expected
    assert verify_model(folder)["parameters"] == expected


@pytest.mark.parametrize(("change", "words"), STATES, ids=range(len(STATES)))
def test_a_state_that_is_wrong_is_refused(
    folder: Path, change: Callable[[State], None], words: str
) -> None:
    change_state(folder, change)
    with pytest.raises(ModelError) as caught:
        open_model(folder)
    assert str(caught.value).startswith(str(folder))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_channels_exchanged_in_the_state_are_seen(folder: Path) -> None:
    path = folder / STATE
    text = path.read_text()
    path.write_text(text.replace("u250", "x").replace("v250", "u250").replace("x", "v250"))
    result = run(app, ["models", "verify", str(folder)])
    assert result.exit_code == 6
    assert "was changed after it was saved" in result.output


def test_a_model_of_the_schema_before_is_checked_too(folder: Path) -> None:
    def as_before(state: State) -> None:
        state["schema"] = 1

    change_state(folder, as_before)
    state = json.loads((folder / STATE).read_text())
    del state["sha256"][STATE]
    (folder / STATE).write_text(json.dumps(state))
    assert not verify_model(folder)["sealed"]
    assert "earlier version" in run(app, ["models", "verify", str(folder)]).output
    swap(state)
    (folder / STATE).write_text(json.dumps(state))
    with pytest.raises(ModelError, match="channels are v250, u250"):
        open_model(folder)


def test_a_state_that_nests_for_ever_is_refused(folder: Path) -> None:
    inner: object = 0
    for _ in range(900):
        inner = [inner]
    change_state(folder, put(inner, "config", "name"))
    with pytest.raises(ModelError, match="nested deeper than 20"):
        open_model(folder)


def renamed(tensors: Tensors) -> None:
    tensors["other"] = tensors.pop("normalizer.base")


def put_tensor(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Callable:
    return lambda tensors: tensors.update({name: make(tensors[name]).contiguous()})


FILTERS = "backbone.first.0.weight"
MEAN, BASE, STD = (f"normalizer.{name}" for name in ("input_mean", "base", "input_std"))


TENSOR_CHANGES = [
    (renamed, "normalizer.base is missing or no list of numbers"),
    (put_tensor("constants", lambda t: t[:0]), "constants has the shape"),
    (put_tensor("constants", lambda t: t.double()), "constants is missing or of another type"),
    (put_tensor("constants", lambda t: t * torch.nan), "not finite"),
    (lambda t: t.pop("constants"), "constants is missing"),
    (put_tensor(BASE, lambda t: t.float()), "base is missing or no list"),
    (put_tensor(BASE, lambda t: t[None]), "base is missing or no list"),
    (put_tensor(BASE, lambda t: t.flip(0)), "other inputs or outputs"),
    (put_tensor(BASE, lambda t: t - 5), "other inputs or outputs"),
    (put_tensor(MEAN, lambda t: t[:-1]), "other inputs or outputs"),
    (put_tensor(MEAN, lambda t: t + torch.inf), "not finite"),
    (put_tensor(STD, lambda t: t * 0), "input_std of channel 0 is 0"),
    (put_tensor(STD, lambda t: t * torch.nan), "input_std of channel 0 is nan"),
    (put_tensor(STD, lambda t: t[:-1]), "shapes disagree"),
    (put_tensor(STD, lambda t: t.to(torch.complex64)), "input_std is missing or no list"),
    (put_tensor(FILTERS, lambda t: t[:-1]), f"called {FILTERS}"),
    (put_tensor(FILTERS, lambda t: t.bool()), "torch.bool"),
    (put_tensor(FILTERS, lambda t: t.to(torch.complex64)), "torch.complex64"),
    (put_tensor(FILTERS, lambda t: t.long()), "integers of shape"),
    (put_tensor(FILTERS, lambda t: t * torch.inf), "not finite"),
    (lambda t: t.update(more=torch.zeros(1)), "the network has nothing called more"),
]


@pytest.mark.parametrize(("change", "words"), TENSOR_CHANGES, ids=range(len(TENSOR_CHANGES)))
def test_tensors_that_are_wrong_are_refused(
    folder: Path, change: Callable[[Tensors], None], words: str
) -> None:
    tensors = load((folder / TENSORS).read_bytes())
    change(tensors)
    with_tensors(folder, save(tensors))
    with pytest.raises(ModelError) as caught:
        verify_model(folder)
    assert words in str(caught.value)


def test_a_config_beside_that_is_another_is_seen_by_verify(folder: Path) -> None:
    beside = folder / "config.yaml"
    beside.write_text("network: {width: 5}\nsample: {history_hours: [0, 6], lead_hours: [6, 12]}")
    with pytest.raises(ModelError, match=r"differ at network\.[\w.]+ "):
        verify_model(folder)
    beside.write_text("width: 5")
    with pytest.raises(ModelError, match="there is no such key"):
        verify_model(folder)


def to_lenet(state: State) -> None:
    state["kind"] = state["config"]["postprocess"]["method"] = "lenet"


CALIBRATIONS: dict[str, Callable[[Path], Path]] = {
    "emos": lambda p: classical_calibration(p, "emos"),
    "pooled": lambda p: classical_calibration(p, "emos", "postprocess.coefficients=pooled"),
    "rolling": lambda p: classical_calibration(p, "emos", "postprocess.window_days=9"),
    "seasonal": lambda p: classical_calibration(p, "mbm", "postprocess.season=harmonic"),
    **{
        name: lambda p, name=name: network_calibration(p, name)
        for name in ("mlp", "lenet", "unet", "transformer", "smoe")
    },
}
MEMBERS = np.random.default_rng(0).normal(280, 5, (2, 1, 3, 2, *GRID.shape)).astype(np.float32)
STARTS = np.array(["2001-01-02", "2001-01-03"], "datetime64[ns]")


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_whole_calibrations_pass(tmp_path: Path, name: str) -> None:
    place = CALIBRATIONS[name](tmp_path)
    assert verify_model(place)["parameters"] > 0
    open_calibration(place).apply(MEMBERS, STARTS, np.array([24.0]))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("emos", put("mbm", "kind"), "says that it is mbm, its config emos"),
        ("emos", put("forecast", "kind"), "no calibration"),
        ("emos", put(5, "protocol"), "protocol in state.json is wrong"),
        ("emos", put("pooled", "config", "postprocess", "coefficients"), "is no array of ()"),
        ("emos", put([48], "config", "postprocess", "lead_hours"), "missing or one too many"),
        ("emos", put({"y": [1.0], "x": [1.0]}, "grid"), "no mapping"),
        ("emos", put({"y": [1.0, 1.0], "x": [1.0], "mapping": {}}, "grid"), "neither rises nor"),
        ("rolling", put(["2001-01-01"], "windows"), "windows are no times"),
        ("rolling", put(["2001-02-30T00:00"] * 2, "windows"), "windows are no times"),
        ("rolling", put(["2001-02-03T00:00"] * 2, "windows"), "windows are no times"),
        ("rolling", put(["2001-02-03T00:00"], "windows"), "is no array of (1, 8, 16)"),
        ("rolling", put([3], "windows"), "windows.0 in state.json is wrong"),
        ("mlp", to_lenet, "do not fit the calibration network of the config"),
        ("unet", to_lenet, "do not fit the calibration network of the config (the network has"),
        ("smoe", put(["lsm", "lsm"], "constants"), "constants has the shape"),
        ("smoe", put(["z500"], "config", "postprocess", "targets"), "other inputs or targets"),
        ("smoe", put({"y": [1.0], "x": [1.0], "mapping": {}}, "grid"), "constants has the shape"),
        ("unet", put([24, 48], "config", "postprocess", "lead_hours"), "other inputs or targets"),
    ],
)
def test_calibrations_that_are_wrong_are_refused(
    tmp_path: Path, name: str, change: Callable[[State], None], words: str
) -> None:
    place = CALIBRATIONS[name](tmp_path)
    change_state(place, change)
    with pytest.raises(ModelError) as caught:
        open_calibration(place).parameters  # noqa: B018
    assert str(caught.value).startswith(str(place))
    assert words in str(caught.value)


def test_a_network_that_takes_another_spread_is_refused(tmp_path: Path) -> None:
    place = network_calibration(tmp_path, "mlp")
    tensors = load((place / TENSORS).read_bytes())
    tensors["spread"] -= 1
    with_tensors(place, save(tensors))
    with pytest.raises(ModelError, match="takes other inputs for the spread"):
        open_calibration(place).parameters  # noqa: B018


def test_coefficients_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    place = classical_calibration(tmp_path, "emos")
    tensors = load((place / TENSORS).read_bytes())
    tensors["t2m.24h.a"][0, 0] = torch.nan
    with_tensors(place, save(tensors))
    with pytest.raises(
        ModelError, match=r"coefficient t2m\.24h\.a is no array of \(8, 16\) finite"
    ):
        open_calibration(place).parameters  # noqa: B018
