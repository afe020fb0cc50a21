"""The fixture of the training tests."""

import pytest
from small_training import new_task


@pytest.fixture
def task(tmp_path):
    """Keyword arguments of one small training, to be changed at will."""
    return new_task(tmp_path / "run")
