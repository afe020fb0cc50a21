"""The fixture of the training tests."""

import pytest
from small_training import Fields, small_loss, small_settings


@pytest.fixture
def task(tmp_path):
    """Keyword arguments of one small training, to be changed at will."""
    return {
        "samples": Fields(22),
        "validation": Fields(9, seed=1),
        "loss": small_loss,
        "settings": small_settings(),
        "folder": tmp_path / "run",
        "seed": 3,
        "identity": {"network": {"width": 4}, "data": "abc"},
    }
