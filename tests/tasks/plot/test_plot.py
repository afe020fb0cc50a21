"""Pictures of a run are drawn from its results, and a missing result is named."""

import importlib.util
import json
from pathlib import Path

import pytest
from small_world import small_run

from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.tasks.plot.plot import Part, plot, plot_model


@pytest.fixture
def names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are built and not painted: that each kind can be is held by the first test."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)


def test_every_kind_is_drawn_from_a_whole_run(done: Config, tmp_path: Path) -> None:
    files = [Path(f).name for f in plot(done, output=tmp_path)["files"]]
    for name in (
        "maps_z500.png",
        "maps_t2m.png",
        "scores_rmse.png",
        "scores_acc.png",
        "scores_crps.png",
        "skill.png",
        "spread.png",
        "scorecard_persistence.png",
        "scorecard_raw.png",
        "ranks_t2m_24h.png",
        "ranks_t2m_48h.png",
        "training_losses.png",
        "routing_layer1.png",
        "routing_layer1_epochs.png",
    ):
        assert name in files
    assert all((tmp_path / f).read_bytes().startswith(b"\x89PNG") for f in files)


def test_one_picture_is_a_file_of_any_format(done: Config, tmp_path: Path) -> None:
    for ending, magic in ((".svg", b"<?xml"), (".pdf", b"%PDF")):
        out = tmp_path / f"a{ending}"
        assert plot(done, kinds=["training"], output=out)["files"] == [str(out)]
        first = out.read_bytes()
        assert first.startswith(magic)
    with pytest.raises(ConfigError, match=r"pictures .* are no single file: name a folder"):
        plot(done, kinds=["routing"], output=tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


@pytest.mark.usefixtures("names_alone")
def test_a_model_is_drawn_without_a_run(done: Config, tmp_path: Path) -> None:
    files = [Path(f).name for f in plot_model(str(done.model), output=tmp_path)["files"]]
    assert files == ["training_losses.png", "routing_layer1.png", "routing_layer1_epochs.png"]
    with pytest.raises(ConfigError, match="maps: there is no such kind of plot, only"):
        plot_model(str(done.model), kinds=["maps"], output=tmp_path)
    with pytest.raises(ConfigError, match="there is no such file and no such model in the zoo"):
        plot_model("planet-smo", output=tmp_path)


def test_a_picture_replaces_files_only(done: Config, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "scores_rmse.png").symlink_to("elsewhere")
    with pytest.raises(OutputError, match="is a symbolic link, which is not replaced"):
        plot(done, kinds=["scores"], output=tmp_path)
    assert (tmp_path / "elsewhere").read_text() == "precious"


def test_a_picture_that_cannot_be_saved_leaves_the_old_one(
    done: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scores_rmse.png").write_bytes(b"old")

    def half(_figure: object, to: object, **_: object) -> None:
        to.write(b"half") if hasattr(to, "write") else Path(to).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", half)
    with pytest.raises(OutputError, match="No space"):
        plot(done, kinds=["scores"], output=tmp_path)
    assert (tmp_path / "scores_rmse.png").read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {".lock", "scores_rmse.png"}


@pytest.mark.parametrize(
    "content", ["half a", "[]", '{"scores": 3}', '{"scores": [{"channel": "t2m"}]}', "[" * 100_000]
)
def test_damaged_scores_are_named(done: Config, tmp_path: Path, content: str) -> None:
    config = done.model_copy(update={"folder": tmp_path})
    config.place.mkdir()
    (config.place / "scores.json").write_text(content)
    with pytest.raises(InputError, match=r"scores.json: the scores are damaged; run `smoecast"):
        plot(config, kinds=["scores"], output=tmp_path / "plots")


@pytest.mark.usefixtures("names_alone")
def test_one_kind_can_be_asked_for(done: Config, tmp_path: Path) -> None:
    files = plot(done, kinds=["scores"], output=tmp_path)["files"]
    assert {Path(f).name.split("_")[0] for f in files} == {"scores"}


def test_an_unknown_kind_and_a_missing_result_are_named(
    done: Config, world: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="charts: there is no such kind"):
        plot(done, kinds=["charts"])
    with pytest.raises(InputError, match="so no maps can be drawn"):
        plot(small_run(world, tmp_path))


@pytest.mark.usefixtures("names_alone")
def test_a_part_of_a_run_can_be_asked_for(done: Config, tmp_path: Path) -> None:
    def draw(*kinds: str, run: Config = done, **part: object) -> list[str]:
        found = plot(run, kinds=kinds, output=tmp_path, part=Part(**part))["files"]
        return [Path(f).name for f in found]

    files = draw(channels=("z500",))
    assert "maps_z500.png" in files
    assert "scores_rmse.png" in files
    assert not [f for f in files if "t2m" in f or f.startswith(("training", "routing"))]
    assert draw(units=("K",), channels=("t2m",)) == ["maps_t2m.png"]
    assert draw("maps", channels=("t2m",), region="90,0,-90,180") == ["maps_t2m.png"]
    assert {f.split("_")[0] for f in draw(region="90,0,-90,180")} == {"maps"}
    own = {"evaluate": done.evaluate.model_copy(update={"boxes": {"half": (90, 0, -90, 180)}})}
    assert draw(region="half", run=done.model_copy(update=own)) == [
        "maps_z500.png",
        "maps_t2m.png",
    ]
    for part, kinds, error, words in (
        (
            {"units": ("K",)},
            ("scores",),
            ConfigError,
            "--units: changes nothing in a picture of sc",
        ),
        ({"region": "europe"}, ("routing",), ConfigError, "--region: changes nothing in a picture"),
        ({"channels": ("u10",)}, ("scores",), InputError, "has no score of u10, but of z500, t2m"),
        (
            {"channels": ("u10",)},
            ("maps",),
            InputError,
            "u10 is not in the data, .* correct --channel",
        ),
        ({"region": "land"}, (), InputError, "nothing to draw in land: leave --region out"),
        (
            {"region": "land"},
            ("ranks",),
            InputError,
            "to draw as ranks in land; leave --region out",
        ),
        ({"region": "nowhere"}, (), ConfigError, "--region nowhere: no region: give N,W,S,E"),
        ({"units": ("hPa",)}, (), ConfigError, "--units hPa: no unit of z500, t2m"),
    ):
        with pytest.raises(error, match=words):
            draw(*kinds, **part)
    with pytest.raises(ConfigError, match="--units: there is no picture that it changes"):
        plot_model(str(done.model), output=tmp_path, part=Part(units=("K",)))


def test_results_do_not_decide_where_pictures_go(done: Config, tmp_path: Path) -> None:
    """The names in scores.json become those of files."""
    place = tmp_path / "planted"
    place.mkdir()
    said = json.loads((done.place / "scores.json").read_bytes())
    for curve in said["curves"]:
        curve["channel"] = "/../../../out"
    (place / "scores.json").write_text(json.dumps(said))
    config = done.model_copy(update={"folder": tmp_path, "name": "planted"})
    (place / "plots" / "ranks_").mkdir(parents=True)
    with pytest.raises(InputError, match="is no name of a file in this folder"):
        plot(config, kinds=["ranks"])
    assert not list(tmp_path.rglob("*.png"))


def test_without_matplotlib_the_extra_is_named(
    done: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"smoecast\[plot\]"):
        plot(done)
