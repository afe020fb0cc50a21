"""Options that several verbs share."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from smoecast.cli import options
from smoecast.cli.main import app


@pytest.mark.parametrize("verb", ["preprocess", "forecast", "postprocess", "evaluate"])
def test_a_verb_that_spreads_its_work_takes_both(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: a\n")
    for wrong in (["--workers", "0"], ["--workers", "1001"], ["--scheduler", "here"]):
        result = CliRunner().invoke(app, [verb, "-c", str(path), *wrong])
        assert result.exit_code == 2
        assert "orkers" in result.output or "scheduler" in result.output


def test_what_was_given_overrides_the_config() -> None:
    assert options.say_compute(None, None) == []
    given = options.say_compute(3, "tcp://a:1")
    assert given == ["compute.workers=3", "compute.scheduler=tcp://a:1"]
