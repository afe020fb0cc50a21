"""The heat-diffusion experiment: settings, schedule, determinism, and what it claims."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smoecast.errors import ConfigError
from smoecast.nn.smoe.gates import FixedGate
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.tasks.heat.experiment import Trainer, accuracy, main, make_data, map_agreement, train
from smoecast.tasks.heat.settings import LAYERS, HeatRun, build, read
from smoecast.tasks.heat.world import grow_regions, simulate

CONFIGS = Path(__file__).parents[3] / "models" / "heat-diffusion"
SMALL = {
    "runs": 2,
    "validation_runs": 1,
    "test_runs": 1,
    "points": 16,
    "steps_per_run": 20,
    "epochs": 2,
    "batch_size": 4,
}
FIRST_LOSSES = (
    0.02407393418252468,
    0.024504875764250755,
    0.02546011283993721,
    0.023096073418855667,
    0.02116480842232704,
    0.02347477152943611,
    0.01891236938536167,
    0.022615257650613785,
    0.02133513055741787,
    0.01831497810781002,
)
"""Of the released recipe on `SMALL`, seed 0, one thread, in float32."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def first_losses(**settings):
    run = HeatRun(**{**SMALL, **settings})
    trainer = Trainer(run, make_data(run)[0])
    order = np.random.default_rng(0).permutation(40)
    return [trainer.train_step(order[4 * i : 4 * i + 4]) for i in range(10)]


def test_first_ten_losses_are_pinned():
    assert first_losses() == pytest.approx(list(FIRST_LOSSES), rel=1e-6)


def test_same_seed_same_losses_other_seed_others():
    again = {"damping": read(CONFIGS / "smoe.yaml", {}).damping}
    assert first_losses(**again) == first_losses(**again)
    assert first_losses(**again) != first_losses(**again, seed=1)


def test_whole_run_is_the_same_twice():
    first, second = (train(HeatRun(**SMALL)) for _ in range(2))
    timing = ("seconds", "seconds_per_epoch")
    assert {k: v for k, v in first.items() if k not in timing} == {
        k: v for k, v in second.items() if k not in timing
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_learns(layer):
    run = HeatRun(**{**SMALL, "layer": layer, "epochs": 3, "learning_rate": 0.02})
    trainer = Trainer(run, make_data(run)[0])
    losses = [trainer.epoch(number) for number in range(3)]
    assert losses[-1] < losses[0]


def test_parameters_of_the_layers():
    counts = {
        layer: sum(p.numel() for p in build(HeatRun(layer=layer)).parameters()) for layer in LAYERS
    }
    assert counts["smoe"] == 3 * 9 + 3 * 64 * 64 == 12_315
    assert counts["local"] == 36_864
    assert counts["lowrank"] == counts["conv_local"] == 12_315
    assert counts["conv"] == 77


def test_summary_of_a_run():
    records = []
    summary = train(HeatRun(**SMALL), records.append)
    assert summary["epochs"] == len(records) == 2
    assert summary["parameters"] == 27 + 3 * 256
    assert 0 <= summary["test_accuracy"] <= 1
    assert 1 / 3 <= summary["map_agreement"] <= 1
    assert train(HeatRun(**{**SMALL, "layer": "conv", "epochs": 1}))["map_agreement"] is None


def test_true_experts_are_all_right():
    regions = grow_regions((16, 16), 0)
    layer = SpatialMoE2d(1, 1, 3, grid=(16, 16), gate=FixedGate(torch.from_numpy(regions)))
    with torch.no_grad():
        for filters, d in zip(layer.weight, (0.0025, 0.025, 0.25), strict=True):
            star = torch.tensor([[0, d, 0], [d, 1 - 4 * d, d], [0, d, 0]])
            filters.copy_(star)
    data = simulate(regions, runs=2, steps=30, seed=0, part=0)
    assert accuracy(layer, data) == 1.0
    assert map_agreement(layer, data) == 1.0


def test_hold_schedule_holds_then_cools():
    run = HeatRun(**SMALL, schedule="hold", steps=10, hold=0.6, learning_rate=0.1)
    trainer = Trainer(run, make_data(run)[0])
    rates = []
    for trainer.step in range(10):
        rates.append(trainer.rate(0.1))
    assert rates[:7] == [0.1] * 7
    assert rates[8] == pytest.approx(0.05)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[6:]))
    assert trainer.run.steps == 10
    trainer.step = 10
    assert trainer.rate(0.1) == pytest.approx(0.001)


def test_hold_schedule_ends_after_its_steps():
    run = HeatRun(**SMALL, schedule="hold", steps=25)
    assert train(run)["epochs"] == 3  # Ten steps an epoch; the third is cut short.


def test_plateau_cools_and_stops():
    run = HeatRun(**{**SMALL, "epochs": 50, "patience": 1, "learning_rate": 1e-30})
    assert train(run)["epochs"] == 3


def test_training_ends_once_all_is_right():
    assert train(HeatRun(**{**SMALL, "until": 0.0}))["epochs"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": "unet"}, "heat: layer: Input should be 'smoe'"),
        ({"schedule": "step"}, "heat: schedule: Input should be 'plateau'"),
        ({"runs": 10**9}, "heat: runs: Input should be less"),
        ({"points": "many"}, "heat: points: Input should be a valid integer"),
        ({"seed": -1}, "heat: seed: Input should be greater"),
        ({"damping": float("nan")}, "heat: damping: Input should be a finite number"),
    ],
)
def test_what_no_run_can_be_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        read(None, settings)


@pytest.mark.parametrize("name", [*LAYERS, "smoe_released", "smoe_hold"])
def test_published_configs_are_read(name):
    run = read(CONFIGS / f"{name}.yaml", {"seed": 3})
    assert run.layer == ("smoe" if name.startswith("smoe") else name)
    assert run.seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dampening: 0.1", "no key 'dampening'"),
        ("- smoe", "a set of keys"),
        ("layer: [", "not valid YAML"),
    ],
)
def test_bad_configs_are_refused(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read(path, {})


def test_missing_config_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read .*No such file"):
        read(tmp_path / "nowhere.yaml", {})


def test_command_prints_one_json_summary(capsys):
    changes = [f"--set={key}={value}" for key, value in SMALL.items()]
    main(["--layer", "smoe", "--seed", "1", *changes])
    out, progress = capsys.readouterr()
    assert json.loads(out)["seed"] == 1
    assert progress.count("epoch") == 2


@pytest.mark.parametrize("change", ["seed", "seed=[*x]", "seed=x"])
def test_command_refuses_a_change_that_is_none(capsys, change):
    with pytest.raises(SystemExit) as caught:
        main(["--set", change])
    assert caught.value.code == 2
    assert "seed" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_runs_suffice(seed):
    summary = train(read(CONFIGS / "smoe.yaml", {"runs": 20, "seed": seed}))
    assert summary["test_accuracy"] >= 0.999
    assert summary["map_agreement"] >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("name", ["smoe", "smoe_released"])
def test_full_data_is_learnt_in_seven_epochs(name):
    summary = train(read(CONFIGS / f"{name}.yaml", {"runs": 1000}))
    assert summary["test_accuracy"] >= 0.9995
    assert summary["epochs"] <= 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "runs"], "--set runs: write it as key=value"),
        (["--set", "runs=[1"], "--set runs=[1: this is not valid YAML"),
        (["--set", "runs=many"], "heat: runs: Input should be a valid integer"),
        (["--set", "damping=true"], "heat: damping: Value error, a number is wanted, not true"),
        (["--config", "."], ".: cannot be read"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"smoecast: {words}")
    assert len(said.splitlines()) == 1
