"""Files drawn without a run, through the command line: what is written, and each refusal."""

from pathlib import Path

import pytest
from made_results import forecasts
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.errors import ConfigError, InputError
from smoecast.tasks.plot import opening
from smoecast.tasks.plot.opening import Opened
from smoecast.tasks.plot.plot_input import plot_input


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "a.nc"
    forecasts("t2m", "z500").to_netcdf(path)
    return path


def test_a_folder_gets_a_picture_a_channel(file: Path, tmp_path: Path) -> None:
    done = plot_input([str(file)], output=tmp_path / "out", leads=(24.0,))
    assert [Path(f).name for f in done["files"]] == ["t2m.png", "z500.png"]


def test_a_name_gets_one_picture(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    done = plot_input([str(file)], channels=["t2m"], output=out, leads=(24.0,))
    assert done["files"] == [str(out)]
    assert out.read_bytes().startswith(b"\x89PNG")
    plot_input([str(file)], output=tmp_path / "m.svg", point="50,0")
    assert (tmp_path / "m.svg").exists()


def test_what_cannot_be_drawn_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a picture shows one channel: name it with --channel"):
        plot_input([str(file)], output=tmp_path / "a.png")
    with pytest.raises(InputError, match="the channel t850 is not in the data"):
        plot_input([str(file)], channels=["t850"], output=tmp_path / "a.png")
    with pytest.raises(ConfigError, match="--units hPa: no unit of t2m, z500"):
        plot_input([str(file)], output=tmp_path, units=("hPa",))
    with pytest.raises(ConfigError, match=r"a\.jpg: a picture is \.png, \.svg, \.pdf"):
        plot_input([str(file)], output=tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "nothing to draw: give --input FILE, --config FILE|NAME or --model NAME"),
        (["-i", "a.nc", "-c", "b.yaml"], 2, "--input and --config: each is drawn by itself"),
        (["-c", "b.yaml", "--lead", "6"], 2, "--lead is for files: give --input FILE in place"),
        (["-i", "a.nc", "-s", "seed=1"], 2, "--set changes a config"),
        (["-i", "no.nc"], 3, "there is no such file"),
        (["-i", "FILE", "--channel", "t850"], 3, "the channel t850 is not in the data"),
        (["-i", "FILE", "-k", "maps"], 2, "no kind of map of a file"),
        (["-i", "FILE", "--channel", "t2m", "-o", "no/a.png"], 5, "it cannot be written"),
    ],
)
def test_a_refusal_is_one_sentence_with_its_code(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = [str(file) if one == "FILE" else one for one in arguments]
    done = CliRunner().invoke(app, ["plot", *given])
    assert done.exit_code == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_without_channels_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Opened(forecasts("t2m").drop_vars("t2m"), "a.nc")
    monkeypatch.setattr(opening, "open_input", lambda inputs: empty)
    with pytest.raises(InputError, match=r"a\.nc: holds no channel that can be drawn"):
        plot_input(["a.nc"], output=tmp_path)
