"""Kernels under the interpreter, imported once for a file of tests."""

from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from interpreted_kernels import interpret_kernels


@pytest.fixture(scope="module")
def kernels() -> Iterator[dict[str, ModuleType]]:
    with interpret_kernels() as modules:
        yield modules


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)
