"""A model on disk: tensors and a readable description, whole or not at all. Never pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from smoecast.disk import write_atomic
from smoecast.errors import ModelError

SCHEMA = 1
"""Of state.json; raised when a reader of the old one would misunderstand the new one."""

TENSORS = "model.safetensors"
STATE = "state.json"


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
