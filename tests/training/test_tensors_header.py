"""A header that does not fit its file is refused before the file is read."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from smoecast.training import model_files
from smoecast.training.model_files import load_tensors, save_model
from smoecast.training.tensors_header import MOST_HEADER, is_whole

TENSORS = {
    "a": torch.zeros(2, 3),
    "b": torch.zeros((), dtype=torch.int64),
    "c": torch.zeros(0, 5, dtype=torch.float64),
    "d": torch.zeros(3, dtype=torch.bool),
    "e": torch.zeros(4, dtype=torch.bfloat16),
}


def write(path: Path, header: Any, size: int) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    return path


def test_what_safetensors_writes_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(save(TENSORS))
    assert is_whole(path)
    path.write_bytes(save(TENSORS, {"run": "x"}))
    assert is_whole(path)
    path.write_bytes(save({}))
    assert is_whole(path)


RIGHT = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [2**40, 3]},
        {"shape": [-2, -3]},
        {"shape": [2.0, 3]},
        {"shape": 6},
        {"dtype": "F64"},
        {"dtype": "F4"},
        {"dtype": [1]},
        {"data_offsets": [0, 2**60]},
        {"data_offsets": [4, 28]},
        {"data_offsets": [0]},
        {"data_offsets": [True, 24]},
    ],
)
def test_a_tensor_that_its_file_does_not_hold(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "model.safetensors"
    assert is_whole(write(path, {"a": RIGHT}, 24))
    assert not is_whole(write(path, {"a": RIGHT | change}, 24))


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 9, b"\2\0\0\0\0\0\0\0[]"])
def test_what_has_no_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert not is_whole(tmp_path / "a")


@pytest.mark.parametrize("header", [{"a": 1}, {"a": {}}, 1])
def test_headers_that_are_none(tmp_path: Path, header: Any) -> None:
    assert not is_whole(write(tmp_path / "a", header, 0))


def test_more_or_less_than_it_says(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"a": RIGHT}, 25)
    assert not is_whole(path)
    assert not is_whole(write(path, {"a": RIGHT}, 23))
    path.write_bytes((MOST_HEADER + 1).to_bytes(8, "little"))
    assert not is_whole(path)


def test_of_what_is_no_file_whoever_reads_it_says_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert is_whole(tmp_path / "pipe")
    assert is_whole(tmp_path / "none")


def test_a_large_file_of_nothing_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path, {"a": torch.zeros(2)}, {})
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(model_files.MOST_TENSORS)
    real = model_files.read_small

    def read(path: Path, most: int) -> bytes:
        assert path.name == "state.json"
        return real(path, most)

    monkeypatch.setattr(model_files, "read_small", read)
    with pytest.raises(model_files.ModelError, match="its header does not fit it"):
        load_tensors(tmp_path)
