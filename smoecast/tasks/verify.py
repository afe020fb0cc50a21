"""`smoecast verify`: whether results, stores and models are as they were written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoecast.errors import InputError, OutputError, SmoecastError
from smoecast.fields import checksums
from smoecast.fields.read.results import read_attributes
from smoecast.fields.store.store import verify_store

_METADATA = (".zgroup", ".zattrs", ".zmetadata")
_OF_MODEL = ("state.json", "model.safetensors")


def verify(paths: Sequence[Path]) -> dict[str, Any]:
    """Hold what stands at some paths against its checksums, every byte.

    Parameters
    ----------
    paths : sequence of Path
        Results, stores of `preprocess`, folders of models, in any mixture.

    Returns
    -------
    dict
        ``checked``: of each path ``path``, ``kind`` (``result``, ``store``, ``model``, or
        ``unknown``), ``whole`` and ``problem``, empty where there is none; ``exit_code``: 0, or the
        highest of the problems'.
    """
    checked, codes = [], [0]
    for path in paths:
        kind, problem = "unknown", ""
        try:
            kind = kind_of(path)
            check(path, kind)
        except SmoecastError as error:
            problem = str(error)
            codes.append(error.exit_code)
        except OSError as error:
            problem = f"{path}: it cannot be read ({error.strerror})"
            codes.append(InputError.exit_code)
        checked.append({"path": str(path), "kind": kind, "whole": not problem, "problem": problem})
    return {"checked": checked, "exit_code": max(codes)}


def kind_of(path: Path) -> str:
    """Return what stands at a path: ``result``, ``store``, ``model``, or ``unknown``."""
    if not path.is_dir():
        return "result" if path.is_file() else "unknown"
    if (path / checksums.LISTING).exists() or checksums.MARK in read_attributes(path):
        return "result"
    if any((path / name).exists() for name in _OF_MODEL):
        return "model"
    return "store" if any((path / name).exists() for name in _METADATA) else "unknown"


def check(path: Path, kind: str) -> None:
    """Hold what stands at a path, of a kind that `kind_of` returns, against its checksums.

    Raises
    ------
    InputError
        It is missing, or carries no checksums.
    OutputError
        It is damaged or was changed; ModelError where it is a model.
    """
    # imported where they are needed: results are checked without torch
    if kind == "result":
        checksums.check(path, whole=True)
    elif kind == "model":
        from smoecast.tasks.models import verify_model  # noqa: PLC0415

        verify_model(path)
    elif kind == "store":
        try:
            verify_store(path, whole=True)
        except InputError as error:  # as an input it would be 3; what is verified is a result
            raise OutputError(str(error)) from None
    elif path.is_dir():
        raise InputError(
            f"{path}: is neither a result nor a store nor a model: name those that are in it"
        )
    else:
        raise InputError(f"{path}: is not there, or neither a file nor a folder")
