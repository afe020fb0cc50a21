"""The site is built without a warning, and asks no other server for anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import ROOT


@pytest.mark.slow
def test_the_site_is_whole_and_keeps_to_itself(tmp_path: Path) -> None:
    """As `make docs` builds it; the extra ``docs`` brings what it needs."""
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    done = subprocess.run(
        [*command, "--fresh-env", "--builder", "html", str(ROOT / "docs"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked = {
        address
        for page in tmp_path.rglob("*.html")
        for tag in re.findall(r"<(?:script|img|link|iframe)[^>]*>", page.read_text())
        for address in re.findall(r"(?:src|href)=\"((?:https?:)?//[^\"]+)\"", tag)
    }
    assert asked == set()
    smoe = (tmp_path / "smoe.html").read_text()
    assert smoe.count("<math ") > 20
    assert "$$" not in smoe
    for page in ("reference/made/commands/forecast", "reference/made/config/data"):
        assert (tmp_path / f"{page}.html").exists()
