"""README.md: what it promises on one screen, run as it stands there."""

import re
import shlex
import struct
from pathlib import Path

import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

from smoecast.cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"((?:<!-- .*? -->\n)?)```(\w+)\n(.*?)```", README, re.DOTALL)


def size_of(png: Path) -> tuple[int, int]:
    """Return width and height of a picture."""
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:])
    return width, height


def test_it_is_one_screen_and_begins_with_pictures() -> None:
    lines = README.splitlines()
    assert len(lines) <= 120
    pictures = re.findall(r"docs/images/\w+\.png", "\n".join(lines[:12]))
    assert len(pictures) == 2
    for picture in pictures:
        assert size_of(ROOT / picture)[0] >= 800


def test_every_link_leads_somewhere() -> None:
    for page in (
        "README.md",
        "docs/demo.md",
        "docs/chain.md",
        "docs/models.md",
        "docs/releasing.md",
    ):
        text = (ROOT / page).read_text()
        for target in re.findall(r"\]\(([^()\s]+)\)|src=\"([^\"]+)\"", text):
            link = target[0] or target[1]
            if link.startswith("https://"):
                continue
            name, _, anchor = link.partition("#")
            file = (ROOT / page).parent / name if name else ROOT / page
            assert file.exists(), f"{page}: {link}"
            if anchor:
                titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
                slugs = [re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles]
                assert anchor in slugs, f"{page}: {link}"


def test_every_block_is_run_or_says_why_not() -> None:
    run = [language for note, language, _ in BLOCKS if "not run:" not in note]
    assert run == ["sh", "python", "python"]


def test_the_first_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shell, first, _ = [text for note, _, text in BLOCKS if "not run:" not in note]
    for line in shell.splitlines():
        if "routing" in line:  # nine pictures: the wheel is asked for them in test_release.py
            continue
        name, *words = shlex.split(line)
        assert name == "smoecast"
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (line, done.output)
    assert size_of(tmp_path / "fc.png")[0] >= 800
    assert (tmp_path / "fc.png").stat().st_size > 50_000
    names: dict[str, object] = {}
    capsys.readouterr()
    exec(compile(first, "README.md", "exec"), names)
    with xr.open_dataset("fc.nc", decode_timedelta=True) as written:
        xr.testing.assert_identical(
            written["tsig995"].drop_attrs(), names["forecast"]["tsig995"].drop_attrs()
        )  # type: ignore[index]
    said = [float(word) for word in re.findall(r"-?\d+\.\d+", capsys.readouterr().out)]
    assert len(said) == 2
    assert all(-15 < degrees < 15 for degrees in said)  # New Year in Philadelphia


def test_the_layer_in_twenty_lines() -> None:
    (text,) = [text for _, language, text in BLOCKS if language == "python" and "nn" in text]
    assert len(text.splitlines()) <= 20
    torch.manual_seed(0)
    names: dict[str, object] = {}
    exec(compile(text, "README.md", "exec"), names)
    loss = names["loss"]
    assert isinstance(loss, torch.Tensor)
    assert loss.item() < 0.3  # one filter for west and east leaves half of the variance
