import json
import os

import pytest
import torch
from torch import nn

from smoecast.errors import ConfigError, ModelError
from smoecast.training.model_files import (
    decode,
    identity_of,
    load_state,
    load_tensors,
    of_model,
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
    assert (state["schema"], state["channels"], state["seed"]) == (3, ["t2m"], 7)
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


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b'{"schema": 2}', b'{"schema": 1, "sha256": 1}'],
)
def test_damaged_state_is_refused(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"state\.json is damaged"):
        load_state(tmp_path)


@pytest.mark.parametrize("content", [{}, {"schema": 4}, {"schema": True}, {"schema": [1]}, []])
def test_other_schema_is_refused(tmp_path, content):
    (tmp_path / "state.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="this version reads 1, 2, 3"):
        load_state(tmp_path)


def rewrite(folder, change):
    path = folder / "state.json"
    state = json.loads(path.read_text())
    change(state)
    path.write_text(json.dumps(state))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(seed=8),
        lambda s: s["channels"].append("z500"),
        lambda s: s["sha256"].update({"state.json": "0" * 64}),
        lambda s: s.update(more=None),
    ],
)
def test_a_state_that_was_changed_is_refused(saved, change):
    _, folder = saved
    rewrite(folder, change)
    with pytest.raises(ModelError, match=r"state\.json was changed after it was saved"):
        load_state(folder)


def test_another_layout_of_the_same_state_is_the_same(saved):
    _, folder = saved
    before = load_state(folder)
    rewrite(folder, lambda state: None)
    assert load_state(folder) == before


def test_the_identity_is_over_state_and_tensors(saved, tmp_path):
    model, folder = saved
    first = load_state(folder)
    assert identity_of(first) == first["sha256"]["state.json"]
    seen = {identity_of(first)}
    for number, seed in enumerate((7, 8)):
        with torch.no_grad():
            model[0].bias += 1 - number
        save_model(tmp_path / str(number), model.state_dict(), {"channels": ["t2m"], "seed": seed})
        seen.add(identity_of(load_state(tmp_path / str(number))))
    assert len(seen) == 3


def test_a_model_of_the_schema_before_is_read_and_saved_anew(saved, tmp_path):
    model, folder = saved

    def as_before(state):
        state["schema"] = 1
        del state["sha256"]["state.json"]

    rewrite(folder, as_before)
    state = load_state(folder)
    assert len(identity_of(state)) == 64
    assert load_tensors(folder).keys() == model.state_dict().keys()
    save_model(tmp_path / "new", load_tensors(folder), state)
    assert load_state(tmp_path / "new")["schema"] == 3


@pytest.mark.parametrize("name", ["state.json", "model.safetensors"])
def test_what_is_no_file_is_refused_at_once(saved, name):
    _, folder = saved
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match=f"{name} cannot be read: it is a pipe, no file"):
        load_tensors(folder)


def test_every_refusal_names_the_model_and_is_of_it(tmp_path):
    with (
        pytest.raises(ModelError, match=f"^{tmp_path}: no such key"),
        of_model(tmp_path),
    ):
        raise ConfigError("no such key")


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
    header = b'{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}'  # torch has no such type
    for content in (b"not a model", len(header).to_bytes(8, "little") + header + b"x"):
        with pytest.raises(ModelError, match="is no safetensors file"):
            decode(content, tmp_path / "model.safetensors")
