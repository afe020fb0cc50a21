"""A dry run of postprocess says what fitting will take, with and without a store."""

from pathlib import Path

import pytest
from small_world import small_run
from typer.testing import CliRunner

from smoecast import zoo
from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError
from smoecast.tasks.postprocess.calibration import open_calibration
from smoecast.tasks.postprocess.cost import plan
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess


def full_size(name: str, folder: Path, *overrides: str) -> Config:
    path = zoo.locate(name, zoo.CONFIG)
    threads = "postprocess.training.threads=1"
    return yaml_file.load(path, [f"folder={folder}", threads, *overrides])


@pytest.mark.parametrize(
    ("name", "method", "parameters"),
    [
        ("ens10-smoe-t2m", "mlp", 3586),
        ("ens10-paper-t2m", "lenet", 36_182),
        ("ens10-paper-t2m", "unet", 636_002),
    ],
)
def test_the_benchmark_at_its_full_size(
    name: str, method: str, parameters: int, tmp_path: Path
) -> None:
    planned = plan(full_size(name, tmp_path, f"postprocess.method={method}"))
    assert planned["parameters"] == parameters
    assert planned["shape"]["latitude"] == 361
    assert planned["bytes"] == 4 * 2100 * 22 * 361 * 720
    assert planned["samples"] == 2100
    assert not planned["there"]
    inputs = 25 if method == "mlp" else 22
    assert planned["batch_bytes"] == 4 * 8 * inputs * 361 * 720
    assert planned["memory"] > planned["batch_bytes"]
    if method == "mlp":
        assert planned["multiply_adds"] == 361 * 720 * 128 * (25 + 2)
    if method == "lenet":
        each = 64 * 22 * 9 + 20 * 64 * 16 + 128 * 20 + 2 * 128
        assert planned["multiply_adds"] == pytest.approx(361 * 720 * each, rel=0.15)


def test_the_command_tells_and_makes_nothing(tmp_path: Path) -> None:
    words = ["postprocess", "--dry-run", "-c", "ens10-smoe-t2m", "-s", f"folder={tmp_path}"]
    result = CliRunner().invoke(app, [*words, "-s", "postprocess.training.threads=1"])
    assert result.exit_code == 0, result.output
    assert "method smoe, protocol default" in result.output
    assert "not made yet; from the config" in result.output
    assert "48.0 GB" in result.output
    assert "for 20 epochs" in result.output
    assert not list(tmp_path.iterdir())


def test_from_a_store(world: Path, tmp_path: Path) -> None:
    config = small_run(world, tmp_path, "postprocess.method=transformer")
    preprocess(config)
    planned = plan(config)
    assert planned["there"]
    assert planned["shape"]["number"] == 5
    assert planned["samples"] == 41 * 2
    assert planned["batch_bytes"] == 4 * 16 * (5 * 2 + 1) * 8 * 16
    postprocess(config)
    assert open_calibration(config.calibration).parameters == planned["parameters"]
    # embedding and attention for each of five members, the last map for their mean
    each = 5 * 32 * 5 + 5 * 4 * 32 * 16 + 32 * 2
    assert planned["multiply_adds"] == 8 * 16 * each


def test_a_formula_has_no_batches(world: Path, tmp_path: Path) -> None:
    config = small_run(world, tmp_path)
    planned = plan(config)
    assert not planned["there"]
    assert "parameters" not in planned
    assert planned["memory"] == 8 * planned["shape"]["init_time"] * 5 * 8 * 16


def test_members_that_will_not_be_kept_are_missed(tmp_path: Path) -> None:
    config = full_size("ens10-paper-t2m", tmp_path, "postprocess.method=transformer")
    with pytest.raises(ConfigError, match="transformer needs the members"):
        plan(config)


def test_several_lead_times_apart_and_some_of_the_members(tmp_path: Path) -> None:
    """What a network keeps of each lead time is no parameter; the number of members is an input."""
    more = "postprocess.lead_hours=[24, 48]"
    plain = plan(full_size("planet-calibration", tmp_path, more))
    some = "postprocess.advanced={lead_statistics: apart, member_counts: [5, 10]}"
    wide = plan(full_size("planet-calibration", tmp_path, more, some))
    assert wide["parameters"] - plain["parameters"] == 32 * 9 + 3
    assert wide["samples"] == plain["samples"]
    with pytest.raises(ConfigError, match=r"has 10 members; .*member_counts asks for 11"):
        plan(full_size("planet-calibration", tmp_path, "postprocess.advanced.member_counts=[11]"))
