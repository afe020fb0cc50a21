"""A dry run of preprocess says how large a store will be, with and without raw files."""

from pathlib import Path

import pytest
import torch
from small_world import small_run
from typer.testing import CliRunner

from smoecast import zoo
from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.data.inputs import Inputs
from smoecast.data.store_plan import plan_stores as plan
from smoecast.errors import InputError
from smoecast.nn.build import build
from smoecast.nn.cost import count_parameters
from smoecast.tasks.preprocess.preprocess import preprocess


def zoo_run(name: str, tmp_path: Path, *overrides: str):
    path = zoo.locate(name, zoo.CONFIG)
    return yaml_file.load(path, [f"folder={tmp_path}", *overrides])


def test_the_papers_task_from_its_config_alone(tmp_path: Path) -> None:
    planned = plan(zoo_run("weatherbench-smoe", tmp_path))["analyses"]
    assert planned["shape"] == {"time": 58440, "channel": 38, "latitude": 32, "longitude": 64}
    assert planned["bytes"] == 58440 * 38 * 32 * 64 * 4
    assert not planned["raw"]
    half = plan(zoo_run("weatherbench-smoe", tmp_path, "data.precision=float16"))["analyses"]
    assert 2 * half["bytes"] == planned["bytes"]


def test_the_papers_task_has_117_inputs(tmp_path: Path) -> None:
    config = zoo_run("weatherbench-smoe", tmp_path)
    constants = dict.fromkeys(config.data.constants)
    sample = config.sample
    recipe = Inputs(
        config.data.channels, sample.history_hours, sample.time_features, constants, None
    )
    assert len(recipe.names) == 117
    with torch.device("meta"):
        network = build(config.network, 117, len(config.targets), (32, 64), True)
    assert count_parameters(network) == 6_393_996  # the number on its card


def test_a_plan_is_what_preprocess_makes(world: Path, tmp_path: Path) -> None:
    config = small_run(world, tmp_path)
    planned = plan(config)
    made = preprocess(config)
    assert planned.keys() == made.keys() == {"analyses", "ensembles"}
    for kind, described in made.items():
        assert planned[kind]["raw"]
        assert planned[kind]["shape"] == described["shape"]
        fields = Path(described["store"]) / "fields"
        assert planned[kind]["chunks"] == len(list(fields.glob("[0-9]*")))


@pytest.mark.parametrize(
    ("overrides", "shape"),
    [
        (["data.source=era5", "data.era5.grid_degrees=2.0"], (91, 180)),
        (["data.source=era5", "data.era5.area=[60, -10, 40, 10]"], (21, 21)),
        (["data.source=ncep", "data.constants=[]"], (73, 144)),
        (["data.source=ncep", "data.constants=[]", "data.grid=2.8125"], (64, 128)),
        (["data.source=planet", "data.planet.years=1.5"], (32, 64)),
        (["data.source=opendata"], (721, 1440)),
    ],
    ids=str,
)
def test_the_grid_of_every_source_is_known(
    tmp_path: Path, overrides: list[str], shape: tuple[int, int]
) -> None:
    base = ["data.years=2001-2002", "data.channels=['z500']", "sample.targets=[]"]
    config = zoo_run("weatherbench-smoe", tmp_path, *base, *overrides)
    sizes = plan(config)["analyses"]["shape"]
    assert (sizes["latitude"], sizes["longitude"]) == shape
    times = {"opendata": 3, "planet": 2192}.get(config.data.source, 2920)
    assert sizes["time"] == times


def test_ensembles_are_planned_too(tmp_path: Path) -> None:
    ours = ["data.source=none", "postprocess.channels=['t2m']"]
    kept = "postprocess.ens10.keep=members"
    for source, starts, members in (("ens10", 2100, 10), ("opendata", 1, 51)):
        more = (f"postprocess.source={source}", kept)
        config = zoo_run("weatherbench-smoe", tmp_path, *ours, *more)
        sizes = plan(config)["ensembles"]["shape"]
        assert (sizes["init_time"], sizes["number"]) == (starts, members)
    config = zoo_run("weatherbench-smoe", tmp_path, *ours, "postprocess.source=ens10")
    sizes = plan(config)["ensembles"]["shape"]
    assert ("number" in sizes, sizes["channel"]) == (False, 2)  # mean and spread
    config = zoo_run("planet-demo", tmp_path)
    assert plan(config)["ensembles"]["shape"]["init_time"] == pytest.approx(207, abs=3)


def test_missing_files_of_source_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        plan(small_run(tmp_path, tmp_path))


def test_the_command_says_it_and_makes_nothing(world: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(small_run(world, tmp_path / "runs")))
    result = CliRunner().invoke(app, ["preprocess", "--dry-run", "-c", str(path)])
    assert result.exit_code == 0
    assert "240 time x 2 channel x 8 latitude x 16 longitude" in result.output
    assert "would be, from the raw files" in result.output
    assert not (tmp_path / "runs" / "small" / "store.zarr").exists()


def test_workers_and_scheduler_are_options_too(world: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(small_run(world, tmp_path / "runs")))
    asked = ["preprocess", "--scheduler", "nowhere", "-c", str(path)]
    assert CliRunner().invoke(app, asked).exit_code == 2
    result = CliRunner().invoke(app, ["preprocess", "-q", "--workers", "2", "-c", str(path)])
    assert result.exit_code == 0
    assert (tmp_path / "runs" / "small" / "store.zarr").is_dir()
