"""What the tests of `watch` begin with."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from watching import Scene

    from smoecast.config.run import Config


@pytest.fixture
def scene(done: "Config", world: Path, tmp_path: Path) -> "Scene":
    from watching import Scene

    return Scene(done, world, tmp_path)
