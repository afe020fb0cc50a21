"""Whatever stands in a model's folder, it opens or is refused: exit 6, one sentence, no wait."""

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_models import (
    GRID,
    classical_calibration,
    forecast_model,
    network_calibration,
    sealed,
    with_tensors,
)
from safetensors.torch import save
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.errors import ModelError, SmoecastError
from smoecast.tasks.forecast_model import Model, open_model
from smoecast.tasks.models import verify_model
from smoecast.tasks.postprocess.calibration import Calibration, open_calibration
from smoecast.training.model_files import STATE, TENSORS, load_tensors

MADE: dict[str, Callable[[Path], Path]] = {
    "forecast": forecast_model,
    "emos": lambda p: classical_calibration(p, "emos"),
    "mbm": lambda p: classical_calibration(p, "mbm", "postprocess.window_days=9"),
    "mlp": lambda p: network_calibration(p, "mlp"),
    "smoe": lambda p: network_calibration(p, "smoe"),
}
VALUES = st.one_of(
    st.sampled_from(
        [
            None, True, False, -1, 0, 1, 2, 3, 7, 10**6, 10**19, 10**400, 0.5, -0.0, 1e308,
            float("nan"), float("inf"), "", "x", "u250", "v250", "emos", "mbm", "smoe", "forecast",
            "2001-01-01T00:00", "2262-12-31T00:00", "\ud800", "\x00", "a" * 5000, [], {}, [[]],
            [None], ["u250"], ["v250", "u250"], [0.0], [1, 2], {"x": 1}, [[[[[[]]]]]],
            list(range(3000)), {str(number): 0 for number in range(3000)},
        ]
    ),
    st.integers(-3, 400),
    st.floats(),
    st.text(max_size=5),
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MADE.items()}


def use(opened: Model | Calibration) -> None:
    """What opens must also work, or be refused."""
    if isinstance(opened, Model):
        start = np.array(["2001-01-01"], "datetime64[ns]")
        shape = (1, len(opened.inputs.history), len(opened.inputs.channels), *GRID.shape)
        ahead = np.full(1, np.timedelta64(6, "h")) if opened.inputs.lead else None
        inputs = opened.inputs.assemble(np.zeros(shape, np.float32), start, ahead)
        # absurd weights give infinite fields, which every writer refuses (fields.write): exit 5
        assert opened.network(torch.from_numpy(inputs)).shape[-2:] == GRID.shape
    else:
        leads, channels = len(opened.lead_hours), len(opened.channels)
        members = np.random.default_rng(0).normal(0, 1, (1, leads, 3, channels, *GRID.shape))
        opened.apply(
            members.astype(np.float32),
            np.array(["2001-01-02T12"], "datetime64[ns]"),
            np.array(opened.lead_hours, np.float64),
        )


def load_calibration(place: Path) -> Calibration:
    """Open one wholly: it is loaded when it is applied."""
    opened = open_calibration(place)
    opened.apply  # noqa: B018
    return opened


def opens_or_is_refused(place: Path) -> None:
    for work in (open_model, load_calibration, verify_model):
        try:
            opened = work(place)
        except ModelError as error:
            assert "\n" not in str(error)
            assert str(place) in str(error)
            assert len(str(error)) < 2000
        else:
            if not isinstance(opened, dict):
                try:
                    use(opened)
                except SmoecastError as error:
                    assert error.exit_code in (3, 6)


def spot(values: Any, choices: list[int]) -> tuple[Any, Any]:
    """Follow numbers down into a JSON value; return the container and key at the end."""
    place, key = values, None
    for number in choices:
        inner = place if key is None else place[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        place = inner
        key = sorted(inner)[number % len(inner)] if isinstance(inner, dict) else number % len(inner)
    return place, key


def change(state: Any, choices: list[int], action: str, value: Any) -> None:
    place, key = spot(state, choices)
    if action == "put":
        place[key] = copy.deepcopy(value)
    elif action == "remove":
        del place[key]
    elif action == "wrap":
        place[key] = [place[key]]
    elif action == "rename" and isinstance(place, dict):
        place[str(value)[:20].encode("utf-8", "replace").decode()] = place.pop(key)
    elif action == "exchange":
        other = sorted(place)[-1] if isinstance(place, dict) else -1
        place[key], place[other] = place[other], place[key]


ACTIONS = st.sampled_from(["put", "put", "put", "remove", "wrap", "rename", "exchange"])
CHANGES = st.lists(
    st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=5), ACTIONS, VALUES),
    min_size=1,
    max_size=2,
)
NAMES = st.sampled_from(list(MADE))


def states(models: dict[str, Path], name: str, changes: list, seal: bool, folder: Path) -> None:
    shutil.copytree(models[name], folder)
    state = json.loads((folder / STATE).read_text())
    for choices, action, value in changes:
        change(state, choices, action, value)
    if seal:
        sealed(folder, state)
    else:
        (folder / STATE).write_text(json.dumps(state))
    opens_or_is_refused(folder)


def tensors(models: dict[str, Path], name: str, changes: list, flips: list, folder: Path) -> None:
    """Change the header's JSON and single bytes, and sign the result."""
    shutil.copytree(models[name], folder)
    content = bytearray((folder / TENSORS).read_bytes())
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    for choices, action, value in changes:
        change(header, choices, action, value)
    text = json.dumps(header).encode()
    content = bytearray(len(text).to_bytes(8, "little") + text + content[8 + size :])
    for place, byte in flips:
        content[int(place * (len(content) - 1))] = byte
    with_tensors(folder, bytes(content))
    opens_or_is_refused(folder)


def strange_file(folder: Path, name: str, kind: str) -> None:
    path = folder / name
    content = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "half":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(2**42)


FLIPS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3)
HEADERS = st.lists(CHANGES, max_size=1).map(lambda some: some[0] if some else [])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(NAMES, CHANGES, st.booleans())
def test_states(models, tmp_path_factory, name: str, changes: list, seal: bool) -> None:
    states(models, name, changes, seal, tmp_path_factory.mktemp("fuzz") / "model")


@settings(derandomize=True, deadline=None, max_examples=40)
@given(NAMES, HEADERS, FLIPS)
def test_tensors(models, tmp_path_factory, name: str, changes: list, flips: list) -> None:
    tensors(models, name, changes, flips, tmp_path_factory.mktemp("fuzz") / "model")


@pytest.mark.slow
@settings(deadline=None, max_examples=3000)
@given(NAMES, CHANGES, st.booleans())
def test_thousands_of_states(models, tmp_path_factory, name, changes, seal) -> None:
    states(models, name, changes, seal, tmp_path_factory.mktemp("fuzz") / "model")


@pytest.mark.slow
@settings(deadline=None, max_examples=2000)
@given(NAMES, HEADERS, FLIPS)
def test_thousands_of_tensors(models, tmp_path_factory, name, changes, flips) -> None:
    tensors(models, name, changes, flips, tmp_path_factory.mktemp("fuzz") / "model")


@pytest.mark.parametrize("kind", ["a\nb", "x" * 5000, {"a": list(range(3000))}, None, 1])
def test_a_kind_that_is_none_is_told_in_short(models, tmp_path: Path, kind: object) -> None:
    folder = shutil.copytree(models["emos"], tmp_path / "model")
    sealed(folder, json.loads((folder / STATE).read_text()) | {"kind": kind})
    opens_or_is_refused(folder)
    for work in (open_model, open_calibration):
        with pytest.raises(ModelError, match=r"this is a .{1,45} model, no "):
            work(folder)


@pytest.mark.parametrize("value", [1e13, -1e300, float("inf"), float("nan")])
def test_coefficients_that_no_fit_gives(models, tmp_path: Path, value: float) -> None:
    """Their squares were infinite, of which numpy warned and nobody else."""
    folder = shutil.copytree(models["emos"], tmp_path / "model")
    tensors = load_tensors(folder)
    next(iter(tensors.values())).view(-1)[0] = value
    with_tensors(folder, save(tensors))
    with pytest.raises(ModelError, match=r"is no array of .* finite numbers in double precision"):
        load_calibration(folder)


KINDS = ("missing", "pipe", "folder", "device", "loop", "half", "empty", "sparse")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [STATE, TENSORS])
def test_files_that_are_none(models, tmp_path: Path, name: str, kind: str) -> None:
    folder = shutil.copytree(models["forecast"], tmp_path / "model")
    strange_file(folder, name, kind)
    for work in (open_model, verify_model):
        with pytest.raises(ModelError, match=name.replace(".", r"\.")):
            work(folder)
    result = CliRunner().invoke(app, ["models", "verify", str(folder)])
    assert result.exit_code == 6
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("missing", "half")])
@pytest.mark.parametrize("name", ["card.md", "config.yaml"])
def test_texts_beside_that_are_none(models, tmp_path: Path, name: str, kind: str) -> None:
    folder = shutil.copytree(models["forecast"], tmp_path / "model")
    strange_file(folder, name, kind)
    verb = "show" if name == "card.md" else "verify"
    result = CliRunner().invoke(app, ["models", verb, str(folder)])
    assert result.exit_code == 6, result.output
    assert len(result.output.strip().splitlines()) == 1
