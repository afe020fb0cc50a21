"""A model on disk: tensors and a readable description, whole or not at all. Never pickle.

PyTorch is imported where tensors are: what a model says of itself is read without it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast.disk.atomic import write_atomic
from smoecast.disk.small_files import read_small
from smoecast.errors import ConfigError, ModelError
from smoecast.training.tensors_header import is_whole

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = 3
"""Of state.json; raised when a reader of the old one would misunderstand the new one."""
READ = (1, 2, SCHEMA)
"""Those that are read; until 2 the keys of its config had other names (`config.renamed`)."""
UNSEALED = 1
"""The first, whose state.json has no checksum of its own."""

TENSORS = "model.safetensors"
STATE = "state.json"
FIRST = "first"
"""The folder of the model before its fine-tuning, in that of the tuned one."""
MOST_STATE, MOST_TENSORS = 50_000_000, 20_000_000_000
"""Bytes of the two files."""


def portable(tensors: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Copy tensors to the CPU, each with memory of its own, as safetensors wants them."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def save_model(folder: Path, tensors: Mapping[str, "Tensor"], state: Mapping[str, Any]) -> None:
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
    from safetensors.torch import save  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    content = save(portable(tensors))
    described = {"schema": SCHEMA, **json.loads(json.dumps(dict(state)))}  # as a reader sees it
    described |= {"schema": SCHEMA, "sha256": {TENSORS: _sha256(content)}}
    described["sha256"][STATE] = identity_of(described)
    write_atomic(folder / TENSORS, content)
    text = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
    write_atomic(folder / STATE, text.encode())


def identity_of(state: Mapping[str, Any]) -> str:
    """Return one sha256 over all that a model is: its state, and through it its tensors.

    Parameters
    ----------
    state : mapping
        From `load_state`; of a sealed one this is what it says of itself.
    """
    sums = {name: value for name, value in state["sha256"].items() if name != STATE}
    return _sha256(json.dumps({**state, "sha256": sums}, sort_keys=True).encode())


def load_state(folder: Path) -> dict[str, Any]:
    """Read ``state.json``, and see that it is as it was saved.

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
        The file is missing, damaged or changed, or of another schema.
    """
    path = folder / STATE
    try:
        state = json.loads(read_small(path, MOST_STATE).decode("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: train first, or name a model's folder") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged ({error}): train again or fetch it anew") from None
    schema = state.get("schema") if isinstance(state, dict) else None
    if type(schema) is not int or schema not in READ:
        raise ModelError(
            f"{path} has schema {schema!r:.20}, this version reads {', '.join(map(str, READ))}: "
            "use the version that wrote it, or train again"
        )
    _check_seal(state, path)
    return dict(state)


def _check_seal(state: dict[str, Any], path: Path) -> None:
    sums = state.get("sha256")
    names = {TENSORS} if state["schema"] == UNSEALED else {TENSORS, STATE}
    if not isinstance(sums, dict) or sums.keys() != names:
        raise ModelError(f"{path} is damaged (no sha256): train again or fetch it anew")
    if STATE in sums and sums[STATE] != identity_of(state):
        raise ModelError(
            f"{path} was changed after it was saved (its sha256 is another): train again or fetch "
            "it anew"
        )


def load_tensors(folder: Path, state: Mapping[str, Any] | None = None) -> dict[str, "Tensor"]:
    """Read the tensors of a model, once their sha256 agrees with ``state.json``.

    Parameters
    ----------
    folder : Path
        A run folder or a model of the zoo.
    state : mapping, optional
        From `load_state`; else it is read.

    Returns
    -------
    dict of str to Tensor
        The state dict that was saved, on the CPU.

    Raises
    ------
    ModelError
        A file is missing, or the tensors are not those that the state describes.
    """
    expected = (load_state(folder) if state is None else state)["sha256"][TENSORS]
    path = folder / TENSORS
    if not is_whole(path):
        raise ModelError(
            f"{path} is not the file that {STATE} describes (its header does not fit it): train "
            "again or fetch it anew"
        )
    try:
        content = read_small(path, MOST_TENSORS)
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: train again or fetch it anew") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    if expected != _sha256(content):
        raise ModelError(f"{path} is not the file that {STATE} describes: train again")
    return decode(content, path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def of_model(folder: Path) -> Iterator[None]:
    """Say which model it is that was refused: whatever of a model is wrong, it is the model.

    Raises
    ------
    ModelError
        In the place of a `ConfigError` or `ModelError`, with the folder before its words.
    """
    try:
        yield
    except (ConfigError, ModelError) as error:
        raise ModelError(f"{folder}: {error}") from None


def decode(content: bytes, path: Path) -> dict[str, "Tensor"]:
    """Read safetensors; `path` serves the message alone.

    Raises
    ------
    ModelError
        The bytes are no safetensors file.
    """
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load  # noqa: PLC0415

    try:
        return load(content)
    except (SafetensorError, KeyError, RuntimeError) as error:  # the others: types that torch lacks
        raise ModelError(
            f"{path} is no safetensors file ({error}): train again or fetch it anew"
        ) from None
