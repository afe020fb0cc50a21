"""What a report is made of, what it refuses, and that a stranger's words stay words."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from read_page import read_page
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, ModelError, OutputError
from smoecast.tasks.report.report import report


def copy_scores(done: Config, place: Path) -> Path:
    """Return a run of the scores alone."""
    place.mkdir()
    for name in ("scores.json", "scores.config.yaml"):
        shutil.copy(done.place / name, place / name)
    return place


def test_the_page_has_every_part_of_a_whole_run(page: Path) -> None:
    text = read_page(page).find("main")[0].text
    for words in (
        *("3,624", "Single forecasts", "Ensembles", "Maps of forecasts", "SMoE layer 1 of 1"),
        *("Ranks of the truth", "Training", "forecast.nc", "sha256", "smoecast evaluate"),
    ):
        assert words in text
    assert "planet-resnet has no layer whose experts have places on a map." in text
    assert "SIMULATED PLANET" in text  # the model of the zoo, not the run


def test_the_same_files_give_the_same_bytes_and_a_part_that_is_missing_its_command(
    done: Config, tmp_path: Path
) -> None:
    place = copy_scores(done, tmp_path / "copied")
    made = [report([str(place)], output=tmp_path / f"{n}.html") for n in range(2)]
    assert (tmp_path / "0.html").read_bytes() == (tmp_path / "1.html").read_bytes()
    command = f"smoecast forecast --config {place}/scores.config.yaml"
    assert f"copied has no maps of forecasts: {command} makes it." in made[0]["absent"]
    assert {p.name for p in tmp_path.iterdir()} == {"copied", "0.html", "1.html"}


def test_words_of_strangers_stay_words(done: Config, tmp_path: Path) -> None:
    place = copy_scores(done, tmp_path / "strange")
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' $\\frac{$"
    said = json.loads((place / "scores.json").read_bytes())
    for part in ("scores", "curves"):
        for r in said[part]:
            r["forecast"] = r["region"] = r["truth"] = evil
    said["truth"] = said["bootstrap"] = evil
    (place / "scores.json").write_text(json.dumps(said))
    (place / "card.md").unlink(missing_ok=True)
    report([str(place)], output=tmp_path / "page.html")
    read = read_page(tmp_path / "page.html")
    assert len(read.find("script")) == 1
    assert not [e for e in read.elements if "onerror" in e.attributes or "onload" in e.attributes]
    assert evil in read.find("main")[0].text


def test_a_card_is_text_and_public_links(done: Config, tmp_path: Path) -> None:
    place = tmp_path / "model"
    shutil.copytree(done.model, place)
    (place / "card.md").write_text(
        "# Title\n\n<b onclick=x>bold</b> [in](../a.md) [out](https://x.org) [bad](javascript:x)\n"
        "![p](https://x.org/a.png)\n"
    )
    report([str(place)], output=tmp_path / "page.html")
    read = read_page(tmp_path / "page.html")
    links = [e.attributes["href"] for e in read.find("a") if e.attributes["href"][:1] != "#"]
    assert links == ["https://x.org", "https://x.org/a.png"]
    assert not read.find("b")
    assert not [e for e in read.find("img") if "x.org" in e.attributes["src"]]


def test_what_is_no_run_is_refused(done: Config, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    with pytest.raises(ConfigError, match="no such file and no such model in the zoo"):
        report(["nowhere"], output=out)
    with pytest.raises(ConfigError, match=r"is the same run as .*: name each once"):
        report([str(done.place), f"{done.place}/"], output=out)
    with pytest.raises(ConfigError, match="is a file and no config"):
        report([str(done.place / "forecast.nc")], output=out)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no model, no forecast and no scores"):
        report([str(empty)], output=out)
    config = tmp_path / "run.yaml"
    config.write_text(f"name: none\nfolder: {tmp_path}\n")
    with pytest.raises(InputError, match=r"the run of .* is not there: `smoecast train"):
        report([str(config)], output=out)
    assert not out.exists()


def test_places_that_take_no_page_are_refused(done: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"choose a name that ends in \.html"):
        report([str(done.place)], output=tmp_path / "page.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is no folder"):
        report([str(done.place)], output=tmp_path / "file" / "page.html")
    (tmp_path / "page.html").symlink_to("file")
    with pytest.raises(OutputError, match="is a symbolic link"):
        report([str(done.place)], output=tmp_path / "page.html")


def test_damage_is_named(done: Config, tmp_path: Path) -> None:
    place = copy_scores(done, tmp_path / "damaged")
    (place / "scores.json").write_text('{"scores": 3}')
    with pytest.raises((InputError, ModelError), match=r"scores.json: the scores are damaged"):
        report([str(place)], output=tmp_path / "page.html")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"smoecast\[plot\]"):
        report(["planet-smoe"])


def test_the_command_says_where_the_page_is(done: Config, tmp_path: Path) -> None:
    place = copy_scores(done, tmp_path / "typed")
    result = CliRunner().invoke(app, ["report", str(place)])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{place / 'report.html'}: typed, ")
    assert (place / "report.html").exists()
    assert CliRunner().invoke(app, ["report", "nowhere"]).exit_code == 2
