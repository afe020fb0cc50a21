"""Pictures of a run are drawn from its results, and a missing result is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_world import small_run

from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.nn import SMoESettings, SpatialMoE2d
from smoecast.nn.smoe.inspect import routing_map
from smoecast.tasks.plot import figures
from smoecast.tasks.plot.pictures import _panels
from smoecast.tasks.plot.plot import importlib, plot


def test_every_kind_is_drawn_from_a_whole_run(done: Config, tmp_path: Path) -> None:
    files = [Path(f).name for f in plot(done, output=tmp_path)["files"]]
    assert files == [
        "maps_z500.png",
        "maps_t2m.png",
        "scores_rmse.png",
        "scores_crps.png",
        "routing_layer1.png",
        "ranks_t2m_24h.png",
        "ranks_t2m_48h.png",
    ]
    assert all((tmp_path / f).read_bytes().startswith(b"\x89PNG") for f in files)


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
    with pytest.raises(OSError, match="No space"):
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


def test_one_kind_can_be_asked_for(done: Config, tmp_path: Path) -> None:
    files = plot(done, kinds=["scores"], output=tmp_path)["files"]
    assert [Path(f).name for f in files] == ["scores_rmse.png", "scores_crps.png"]


def test_an_unknown_kind_and_a_missing_result_are_named(
    done: Config, world: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="charts: there is no such kind"):
        plot(done, kinds=["charts"])
    with pytest.raises(InputError, match="so no maps can be drawn"):
        plot(small_run(world, tmp_path))


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


def test_fields_share_a_scale_and_errors_another() -> None:
    rng = np.random.default_rng(0)
    panels = {
        "forecast": (rng.normal(280, 5, (8, 16)), False),
        "truth": (rng.normal(280, 9, (8, 16)), False),
        "error": (rng.normal(0, 3, (8, 16)), True),
    }
    figure = figures.maps(panels, np.arange(8.0), np.arange(16.0), title="t", unit="K")
    limits = [axes.collections[0].get_clim() for axes in figure.axes if axes.get_title()]
    assert limits[0] == limits[1]
    assert limits[2][0] == -limits[2][1]


def test_experts_of_a_group_are_numbered_within_it_and_outputs_named() -> None:
    settings = SMoESettings(routing="grouped", experts_per_channel=2)
    layer = SpatialMoE2d(3, 2, 12, grid=(4, 6), settings=settings)
    panels = _panels(layer, ["z500 72 h", "t2m 72 h"])
    assert list(panels) == ["z500 72 h, term 1 of 2", "t2m 72 h, term 1 of 2"]
    chosen = routing_map(layer).numpy()
    for numbers, group in zip(panels.values(), (0, 2), strict=True):
        assert (numbers == chosen[group] - 3 * group).all()
    plain = _panels(SpatialMoE2d(3, 2, 4, grid=(4, 6)), [])
    assert list(plain) == ["output 1 of 2", "output 2 of 2"]


def test_routing_on_a_coarser_grid_is_drawn_where_it_stands() -> None:
    chosen = {"output 1": np.array([[0, 1], [1, 0]])}
    figure = figures.routing(chosen, np.arange(4.0), np.arange(6.0), experts=2, title="t")
    drawn = np.asarray(figure.axes[0].collections[0].get_array())
    top = [0, 0, 0, 1, 1, 1]
    assert drawn.tolist() == [top, top, top[::-1], top[::-1]]
