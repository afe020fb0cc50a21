"""Every model of the zoo is whole, its config runs, and its published scores are its own."""

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path

import pytest
import xarray as xr
from typer.testing import CliRunner

from smoecast import zoo
from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.errors import ConfigError, ModelError, OutputError
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.models import verify_model
from smoecast.tasks.postprocess.calibration import KINDS
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.training.model_files import load_state
from smoecast.zoo import list_models, show_model

SHARED = Path(__file__).parents[2] / "shared" / "data"
NCEP = SHARED / "ncep-air" / "air_temperature_2013_2014.nc"
TRAINED = [n for n in zoo.names() if (zoo.folder() / n / "model.safetensors").exists()]
run = CliRunner().invoke


@pytest.mark.parametrize("name", zoo.names())
def test_every_config_is_good_and_named_like_its_folder(name: str) -> None:
    config = yaml_file.load(zoo.locate(name, zoo.CONFIG))
    assert config.name == name
    assert run(app, ["config", "check", "-c", name]).exit_code == 0


@pytest.mark.parametrize("name", zoo.names())
def test_every_model_has_a_card(name: str) -> None:
    assert show_model(zoo.folder() / name)["card"].startswith("# ")


@pytest.mark.parametrize("name", TRAINED)
def test_weights_are_whole_small_and_free_of_paths(name: str) -> None:
    place = zoo.folder() / name
    checked = verify_model(place)
    assert checked["parameters"] > 0
    assert checked["sealed"]
    assert (place / "model.safetensors").stat().st_size < 5e6
    state = (place / "state.json").read_text()
    assert '"folder"' not in state
    assert '"/' not in state


@pytest.mark.parametrize("name", TRAINED)
def test_weights_are_those_of_the_config_beside_them(name: str) -> None:
    told = load_state(zoo.folder() / name)
    config = yaml_file.load(zoo.locate(name, zoo.CONFIG))
    forecasts = told.get("kind") not in KINDS
    for section in ("sample", "network") if forecasts else ("postprocess",):
        mine = getattr(config, section)
        # keys that came later have their defaults
        theirs = type(mine).model_validate(told["config"][section])
        if section == "network" and mine.smoe.layers == "none":
            theirs = theirs.model_copy(update={"smoe": mine.smoe})
        assert theirs == mine


@pytest.mark.skipif(not NCEP.exists(), reason="the shared NCEP series is not beside the repository")
@pytest.mark.parametrize(
    "name",
    [  # the others go the same way to other numbers; that weights are whole is held above
        pytest.param(name, marks=() if name == "ncep-air-6h" else pytest.mark.slow)
        for name in TRAINED
        if name.startswith("ncep-air")
    ],
)
def test_published_scores_come_out_again(name: str, tmp_path: Path) -> None:
    overrides = [f"folder={tmp_path}", f"data.files=[{NCEP}]", "evaluate.resamples=0"]
    config = yaml_file.load(zoo.locate(name, zoo.CONFIG), overrides)
    preprocess(config)
    forecast(config, models=[zoo.locate(name)])
    published = zoo.scores(zoo.locate(name))["scores"]
    for record in evaluate(config)["scores"]:
        key = record["forecast"], record["lead_hours"]
        same = next(r for r in published if (r["forecast"], r["lead_hours"]) == key)
        assert record["rmse"] == pytest.approx(same["rmse"], rel=1e-4)


def test_the_list_names_every_model() -> None:
    listed = list_models()["models"]
    assert [m["name"] for m in listed] == sorted([*zoo.names(), *zoo.experiments()])
    assert {"name": "heat-diffusion", "weights": "experiment"}.items() <= next(
        m.items() for m in listed if m["name"] == "heat-diffusion"
    )
    assert "planet-demo" in run(app, ["models", "list"]).output
    assert json.loads(run(app, ["models", "list", "--json"]).output)["models"] == listed


def test_a_card_can_be_shown() -> None:
    assert run(app, ["models", "show", "planet-demo"]).output.startswith("# ")


def test_what_is_neither_path_nor_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such model in the zoo"):
        zoo.locate("nothing")


def test_an_experiment_has_a_card_and_no_config() -> None:
    assert "Heat diffusion" in run(app, ["models", "show", "heat-diffusion"]).output
    with pytest.raises(ConfigError, match="is an experiment of its own"):
        zoo.locate("heat-diffusion", zoo.CONFIG)


@pytest.mark.parametrize("file", ["", zoo.CONFIG])
def test_a_name_nearly_right_is_told(file: str) -> None:
    with pytest.raises(ConfigError, match="did you mean 'ncep-air-6h'"):
        zoo.locate("ncep-air6h", file)


LINK = re.compile(r"\]\(([^():#]+)(?:#[^()]*)?\)")


@pytest.mark.parametrize("name", [*zoo.names(), *zoo.experiments()])
def test_links_of_a_card_lead_to_files_in_a_clone_and_in_a_wheel(name: str) -> None:
    """In a wheel the zoo is the package's folder `models`, what is linked beside it."""
    root = Path(__file__).parents[1]
    with (root / "pyproject.toml").open("rb") as file:
        targets = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = {root / source: target for source, target in targets["force-include"].items()}
    place = zoo.folder() / name
    for target in LINK.findall(zoo.card(place)):
        path = Path(os.path.normpath(place / target))
        assert path.is_file(), target
        (source,) = [source for source in packed if path.is_relative_to(source)]
        assert packed[source] == f"smoecast/{source.relative_to(root)}", target
    for target in LINK.findall(show_model(place)["card"]) if zoo.card(place) else ():
        assert Path(target).is_absolute()


def test_what_only_looks_loads_no_torch(tmp_path: Path) -> None:
    commands = [
        ["models", "list"],
        ["models", "show", "planet-smoe"],
        ["config", "check", "-c", "planet-smoe"],
        ["config", "show", "-c", "planet-smoe"],
        ["config", "init", str(tmp_path / "run.yaml")],
        ["config", "schema"],
    ]
    code = (
        "import sys\n"
        "from smoecast.cli.main import app\n"
        f"for words in {commands}:\n"
        "    app(words, standalone_mode=False)\n"
        "    assert 'torch' not in sys.modules, words\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_name_of_the_zoo_is_the_zoos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert zoo.locate("planet-demo") == zoo.folder() / "planet-demo"
    assert capsys.readouterr().err == ""
    (tmp_path / "planet-demo").mkdir()
    assert zoo.locate("planet-demo") == zoo.folder() / "planet-demo"
    assert "planet-demo: that of the zoo is taken" in capsys.readouterr().err
    assert zoo.locate("./planet-demo") == Path("planet-demo")


def test_a_stranger_is_not_shown_with_the_scores_of_the_zoo(tmp_path: Path) -> None:
    name = next(name for name in zoo.names() if zoo.scores(zoo.folder() / name))
    (tmp_path / name).mkdir()
    (tmp_path / name / "card.md").write_text("# Mine")
    assert show_model(tmp_path / name)["scores"] == {}


def test_an_example_is_a_part_of_the_series_that_the_model_was_scored_on(tmp_path: Path) -> None:
    example = zoo.find_example(zoo.locate("ncep-air-6h"))
    assert example.stat().st_size < 300_000
    with xr.open_dataset(example, mask_and_scale=False) as air:
        assert air["time"].values[[0, -1]].astype("M8[h]").tolist() == [
            datetime(2014, 12, 1),
            datetime(2014, 12, 31, 18),
        ]
        assert "Kalnay" in air.attrs["comment"]
        if NCEP.exists():
            with xr.open_dataset(NCEP, mask_and_scale=False) as whole:
                assert (whole["air"].sel(time="2014-12").values == air["air"].values).all()


def test_an_example_is_copied_out_once_and_never_over_another_file(tmp_path: Path) -> None:
    words = ["models", "example", "ncep-air-6h", "-o", str(tmp_path / "air.nc")]
    first, again = run(app, words), run(app, words)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "air.nc: input for ncep-air-6h, 232 kB" in first.output
    assert "was there already" in again.output
    copied = (tmp_path / "air.nc").read_bytes()
    assert copied == zoo.find_example(zoo.locate("ncep-air-6h")).read_bytes()
    (tmp_path / "air.nc").write_text("mine")
    assert json.loads(run(app, [*words, "--json"]).stdout)["exit_code"] == 5
    with pytest.raises(OutputError, match="is there already, and another file"):
        zoo.copy_example(zoo.locate("ncep-air-6h"), tmp_path / "air.nc")
    assert (tmp_path / "air.nc").read_text() == "mine"


def test_a_model_without_an_example_names_one_that_has() -> None:
    with pytest.raises(ConfigError, match=r"planet-smoe: has no example .* of ncep-air-6h"):
        zoo.find_example(zoo.locate("planet-smoe"))


def test_damaged_scores_are_named(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert zoo.scores(tmp_path / "model") == {}
    for content in ("{", "[]", "[" * 100_000):
        (tmp_path / "model" / "scores.json").write_text(content)
        with pytest.raises(ModelError, match="the scores are damaged"):
            zoo.scores(tmp_path / "model")


def test_verify_through_the_command_line_names_a_changed_file(tmp_path: Path) -> None:
    result = run(app, ["models", "verify", str(tmp_path)])
    assert result.exit_code == 6
    assert "train first" in result.output
