import json

import pytest
import torch
from torch import nn

from smoecast.errors import ModelError
from smoecast.training.state import (
    decode,
    load_state,
    load_tensors,
    save_model,
)


@pytest.fixture
def saved(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    save_model(tmp_path / "run", model.state_dict(), {"channels": ["t2m"], "seed": 7})
    return model, tmp_path / "run"


def test_round_trip(saved):
    model, folder = saved
    state, tensors = load_state(folder), load_tensors(folder)
    assert (state["schema"], state["channels"], state["seed"]) == (1, ["t2m"], 7)
    assert {k: v.tolist() for k, v in tensors.items()} == {
        k: v.tolist() for k, v in model.state_dict().items()
    }
    assert sorted(p.name for p in folder.iterdir()) == ["model.safetensors", "state.json"]


def test_shared_tensors_are_saved_whole(tmp_path):
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    save_model(tmp_path, nn.Sequential(first, second).state_dict(), {})
    assert torch.equal(load_tensors(tmp_path)["1.weight"], first.weight)


def test_same_model_same_bytes(saved, tmp_path):
    model, folder = saved
    save_model(tmp_path / "again", model.state_dict(), {"channels": ["t2m"], "seed": 7})
    for name in ("model.safetensors", "state.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_missing_state_is_refused(tmp_path):
    with pytest.raises(ModelError, match="does not exist: train first"):
        load_state(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_damaged_state_is_refused(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"state\.json is damaged"):
        load_state(tmp_path)


@pytest.mark.parametrize("content", [{}, {"schema": 2}, []])
def test_other_schema_is_refused(tmp_path, content):
    (tmp_path / "state.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="this version reads 1"):
        load_state(tmp_path)


def test_missing_tensors_are_refused(saved):
    _, folder = saved
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors does not exist"):
        load_tensors(folder)


@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_flipped_bit_is_refused(saved, place):
    _, folder = saved
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[place] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="is not the file that"):
        load_tensors(folder)


def test_no_safetensors_is_refused(tmp_path):
    with pytest.raises(ModelError, match="is no safetensors file"):
        decode(b"not a model", tmp_path / "model.safetensors")
