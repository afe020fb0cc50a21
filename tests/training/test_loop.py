import json
import math

import pytest
import torch
from small_training import Fields, small_loss, small_model, small_settings, train

from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.training.job import device_of


def test_learns_and_reports(task):
    records = []
    task["settings"] = small_settings(epochs=8, learning_rate=1e-2)
    outcome = train(small_model(), **task, report=records.append)
    assert [r["epoch"] for r in records] == list(range(1, 9))
    assert outcome["trained"]
    assert outcome["epochs"] == 8
    assert outcome["best_loss"] == min(r["validation_loss"] for r in records)
    assert outcome["best_loss"] < 0.6 * records[0]["validation_loss"]
    assert all(r["routing_loss"] > 0 for r in records)
    lines = (task["folder"] / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == records


def test_ends_with_the_weights_of_the_best_epoch(task):
    model = small_model()
    task["settings"] = small_settings(epochs=6, learning_rate=0.3, patience=6)
    outcome = train(model, **task)
    validation = task["validation"]
    with torch.no_grad():
        loss = sum(
            float(
                small_loss(
                    model.eval()(validation.inputs[i : i + 4]), validation.targets[i : i + 4]
                )
            )
            * len(validation.inputs[i : i + 4])
            for i in range(0, 9, 4)
        )
    assert loss / 9 == outcome["best_loss"]


def test_same_seed_same_losses_another_seed_others(task, tmp_path):
    losses = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        task |= {"folder": tmp_path / name, "seed": seed}
        losses.append(train(small_model(), **task)["train_loss"])
    assert losses[0] == losses[1] != losses[2]


def test_does_not_disturb_the_callers_randomness(task):
    model = small_model()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(model, **task)
    assert torch.equal(torch.rand(3), expected)


def test_a_finished_run_has_nothing_to_do(task):
    model, records = small_model(), []
    first = train(model, **task)
    again = small_model(seed=9)
    second = train(again, **task, report=records.append)
    assert second == {**first, "trained": False}
    assert not records
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_fresh_begins_again(task):
    train(small_model(), **task)
    assert train(small_model(), **task, fresh=True)["trained"]


def test_stops_early_and_lowers_the_rate(task):
    def worse(output, target):  # rises with every call, whatever the model does
        worse.calls += 1
        return small_loss(output, target) * 0 + worse.calls

    worse.calls, records = 0, []
    task |= {"loss": worse, "settings": small_settings(epochs=99, patience=4, plateau_patience=2)}
    outcome = train(small_model(), **task, report=records.append)
    assert (outcome["epochs"], outcome["best_epoch"]) == (5, 1)
    assert [r["learning_rate"] for r in records] == pytest.approx([1e-3, 1e-3, 1e-3, 1e-4, 1e-4])


def test_routing_scores_have_a_rate_of_their_own(task):
    model = small_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    task["settings"] = small_settings(epochs=1, gate_learning_rate=1e-9, learning_rate=1e-2)
    train(model, **task)
    for name, parameter in model.named_parameters():
        moved = (parameter - before[name]).abs().max().item()
        assert moved < 1e-7 if "gate" in name else moved > 1e-3, name


def test_clip_limits_the_step(task):
    """With a clip near zero Adam's epsilon takes over and the weights stand still."""
    model = small_model(layers="none")
    before = [p.detach().clone() for p in model.parameters()]
    task["settings"] = small_settings(epochs=1, clip=1e-20)
    train(model, **task)
    for old, new in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=1e-8)


def test_without_clip_and_with_decay(task):
    task["settings"] = small_settings(epochs=1, clip=0.0, weight_decay=0.1, schedule="cosine")
    assert math.isfinite(train(small_model(), **task)["best_loss"])


def test_tick_tells_the_share_of_the_epoch(task):
    shares = []
    task["settings"] = small_settings(epochs=1, batch_size=10)
    train(small_model(), **task, tick=shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("part", ["samples", "validation"])
def test_no_samples_are_refused(task, part):
    task[part] = Fields(0)
    with pytest.raises(InputError, match="samples: widen"):
        train(small_model(), **task)


def test_a_diverged_loss_names_epoch_and_step(task):
    task["samples"].targets[:] = torch.nan
    with pytest.raises(OutputError, match="loss is nan at epoch 1, step 1: lower"):
        train(small_model(), **task)


def test_a_diverged_validation_names_the_epoch(task):
    task["validation"].targets[:] = torch.inf
    with pytest.raises(OutputError, match="loss is inf at the validation after epoch 1"):
        train(small_model(), **task)


def test_devices():
    assert device_of("cpu").type == "cpu"
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("abacus", "cuda:99"):
        with pytest.raises(ConfigError, match=f"there is no device '{name}' here"):
            device_of(name)
