"""A model on disk: tensors and a readable description, whole or not at all. Never pickle."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from smoecast.errors import LockedError, ModelError

SCHEMA = 1
"""Of state.json; raised when a reader of the old one would misunderstand the new one."""

TENSORS = "model.safetensors"
STATE = "state.json"


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, even after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def portable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to the CPU, each with memory of its own, as safetensors wants them."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def save_model(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write ``model.safetensors``, then ``state.json``, each atomically.

    Parameters
    ----------
    folder : Path
        Made when missing.
    tensors : mapping of str to Tensor
        A state dict: weights, running statistics, normalisation.
    state : mapping
        What else a reader must know; JSON values. ``schema`` and ``sha256`` are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = save(portable(tensors))
    digest = {TENSORS: hashlib.sha256(content).hexdigest()}
    described = {"schema": SCHEMA, **state, "sha256": digest}
    write_atomic(folder / TENSORS, content)
    text = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
    write_atomic(folder / STATE, text.encode())


def load_state(folder: Path) -> dict[str, Any]:
    """Read ``state.json``.

    Parameters
    ----------
    folder : Path
        A run folder or a model of the zoo.

    Returns
    -------
    dict
        What `save_model` was given, and ``schema`` and ``sha256``.

    Raises
    ------
    ModelError
        The file is missing or damaged, or of another schema.
    """
    path = folder / STATE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: train first, or name a model's folder") from None
    except ValueError as error:
        raise ModelError(f"{path} is damaged ({error}): train again or fetch it anew") from None
    schema = state.get("schema") if isinstance(state, dict) else None
    if schema != SCHEMA:
        raise ModelError(
            f"{path} has schema {schema}, this version reads {SCHEMA}: "
            "use the version that wrote it, or train again"
        )
    return dict(state)


def load_tensors(folder: Path) -> dict[str, Tensor]:
    """Read the tensors of a model, once their sha256 agrees with ``state.json``.

    Parameters
    ----------
    folder : Path
        A run folder or a model of the zoo.

    Returns
    -------
    dict of str to Tensor
        The state dict that was saved, on the CPU.

    Raises
    ------
    ModelError
        A file is missing, or the tensors are not those that the state describes.
    """
    expected = load_state(folder).get("sha256")
    path = folder / TENSORS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: train again or fetch it anew") from None
    if expected != {TENSORS: hashlib.sha256(content).hexdigest()}:
        raise ModelError(f"{path} is not the file that {STATE} describes: train again")
    return decode(content, path)


def decode(content: bytes, path: Path) -> dict[str, Tensor]:
    """Read safetensors; `path` serves the message alone.

    Raises
    ------
    ModelError
        The bytes are no safetensors file.
    """
    try:
        return load(content)
    except SafetensorError as error:
        raise ModelError(
            f"{path} is no safetensors file ({error}): train again or fetch it anew"
        ) from None


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone, until the block ends or the process dies.

    Parameters
    ----------
    folder : Path
        Made when missing; ``.lock`` stays in it.

    Raises
    ------
    LockedError
        Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"{path} is held by another run: wait for it, or choose another name"
            ) from None
        yield
