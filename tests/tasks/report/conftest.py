"""One page, read by all tests: a run with everything, and a model of the zoo."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from smoecast.config.run import Config


@pytest.fixture(scope="session")
def page(done: "Config", tmp_path_factory: pytest.TempPathFactory) -> Path:
    from smoecast.tasks.report.report import report

    path = tmp_path_factory.mktemp("report") / "page.html"
    report([str(done.place), "planet-resnet"], output=path)
    return path
