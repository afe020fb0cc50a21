"""One step from many passes equals one from a large batch; what scales the loss scales all."""

import numpy as np
import pytest
import torch
from small_training import Fields, pure_model, small_loss, small_model, small_settings, train

from smoecast.errors import ConfigError, OutputError
from smoecast.nn.smoe.model_layers import gate_parameters
from smoecast.training.checkpoint import TrainingProgress
from smoecast.training.distributed import ProcessGroup
from smoecast.training.job import TrainingJob
from smoecast.training.precision import autocast, resolve
from smoecast.training.step import cut_batch, rates, take_step
from smoecast.training.trainer import Trainer

CPU = torch.device("cpu")


def job_of(tmp_path, settings, samples=None):
    def ignore(_):
        return None

    some = samples or Fields(8)
    return TrainingJob(
        some, some, small_loss, settings, tmp_path, 0, {}, ignore, ignore, ProcessGroup()
    )


def gradients(tmp_path, model, batch, settings):
    """Gradients of one step on these samples, before it changes anything; routing loss."""
    job = job_of(tmp_path, settings)
    run = Trainer(model, settings, CPU, ProcessGroup())
    routing = take_step(run, job, np.asarray(batch))
    return [p.grad for p in model.parameters()], routing


@pytest.mark.parametrize("gate", ["tensor", "conv"])
@pytest.mark.parametrize("count", [8, 7, 5])
def test_accumulated_gradients_are_those_of_the_large_batch(tmp_path, gate, count):
    """Also where the last pass is shorter: 7 samples are passes of 4 and 3."""
    batch = range(count)
    whole, wanted = gradients(
        tmp_path, pure_model(gate=gate), batch, small_settings(batch_size=8, clip=0.0)
    )
    parts, routing = gradients(
        tmp_path, pure_model(gate=gate), batch, small_settings(batch_size=4, accumulate=2, clip=0.0)
    )
    for ours, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    assert routing == pytest.approx(wanted, rel=1e-5)
    assert wanted > 0


def test_an_undivided_routing_gradient_would_be_noticed(tmp_path):
    """Gates of a half batch have gradients of the same size, not of half: means over the batch."""
    one, _ = gradients(tmp_path, pure_model(), range(4), small_settings(batch_size=4, clip=0.0))
    model = pure_model()
    both, _ = gradients(
        tmp_path, model, range(8), small_settings(batch_size=4, accumulate=2, clip=0.0)
    )
    gates = {id(p) for p in gate_parameters(model)}
    for parameter, half, whole in zip(model.parameters(), one, both, strict=True):
        if id(parameter) in gates:
            assert 0.5 < float(whole.norm() / half.norm()) < 1.5


def test_training_with_passes_equals_training_with_large_batches(task, tmp_path):
    """3 epochs of 3 steps; 22 samples, so that the last batch is a short one."""
    losses = {}
    for name, changes in (("whole", {"batch_size": 8}), ("parts", {"accumulate": 2})):
        task |= {"folder": tmp_path / name, "settings": small_settings(**changes)}
        records = []
        train(pure_model(), **task, report=records.append)
        keys = ("train_loss", "validation_loss", "routing_loss")
        losses[name] = [record[key] for record in records for key in keys]
    assert losses["parts"] == pytest.approx(losses["whole"], rel=1e-3)


def test_pieces_cover_a_batch_once_with_shares_of_one():
    batch = np.arange(10)
    for size in (1, 2, 3):
        parts = [cut_batch(batch, 2, ProcessGroup(rank, size)) for rank in range(size)]
        together = np.concatenate([indices for part in parts for indices, _ in part])
        assert together.tolist() == batch.tolist()
        assert sum(share for part in parts for _, share in part) == pytest.approx(1.0)


def test_a_process_without_samples_joins_with_a_share_of_none():
    assert cut_batch(np.array([5]), 4, ProcessGroup(1, 2))[0][1] == 0.0
    assert cut_batch(np.array([5]), 4, ProcessGroup(0, 2)) == [(np.array([5]), 1.0)]


def test_a_divergence_in_an_early_pass_is_refused_before_the_step(tmp_path):
    samples = Fields(8)
    samples.targets[0] = torch.nan
    settings = small_settings(batch_size=4, accumulate=2)
    model = pure_model()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(OutputError, match="loss is nan at epoch 1, step 1"):
        take_step(
            Trainer(model, settings, CPU, ProcessGroup()),
            job_of(tmp_path, settings, samples),
            np.arange(8),
        )
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_a_scaled_loss_gives_the_same_gradients(tmp_path, gate, monkeypatch):
    """A GradScaler at work, without autocast: what it multiplies, gates included, is undone."""
    monkeypatch.setattr(
        "smoecast.training.trainer.new_scaler",
        lambda precision, device: torch.amp.GradScaler("cpu", init_scale=2.0**10),
    )
    settings = small_settings(batch_size=4, accumulate=2)
    scaled, routing = gradients(tmp_path, pure_model(gate=gate), range(8), settings)
    monkeypatch.undo()
    plain, wanted = gradients(tmp_path, pure_model(gate=gate), range(8), settings)
    for ours, theirs in zip(scaled, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    assert routing == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_computes_in_halves_and_keeps_whole_weights(tmp_path, precision):
    settings = small_settings(batch_size=8, precision=precision, clip=0.0)
    model, seen = pure_model(), []
    model.backbone.register_forward_hook(lambda _module, _inputs, out: seen.append(out.dtype))
    ours, _ = gradients(tmp_path, model, range(8), settings)
    theirs, _ = gradients(tmp_path, pure_model(), range(8), small_settings(batch_size=8, clip=0.0))
    assert seen == [{"bf16": torch.bfloat16, "fp16": torch.float16}[precision]]
    assert all(p.dtype == torch.float32 for p in model.parameters())
    ours, theirs = (torch.cat([g.flatten() for g in grads]) for grads in (ours, theirs))
    assert (ours - theirs).norm() < 0.3 * theirs.norm()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns(task, precision):
    task["settings"] = small_settings(epochs=8, learning_rate=1e-2, precision=precision)
    records = []
    outcome = train(small_model(), **task, report=records.append)
    assert outcome["best_loss"] < 0.7 * records[0]["validation_loss"]


def test_a_device_without_the_precision_is_refused():
    with pytest.raises(ConfigError, match="meta cannot compute in bf16 here; use float32"):
        autocast("bf16", torch.device("meta"))


@pytest.mark.parametrize(
    ("has", "meant"),
    [({"avx512_bf16": True}, "bf16"), ({"bf16": True}, "bf16"), ({"avx2": True}, "float32")],
)
def test_auto_takes_bf16_where_the_processor_has_it(task, monkeypatch, capsys, has, meant):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: has)
    task["settings"] = small_settings(epochs=1, precision="auto")
    assert train(small_model(), **task)["precision"] == meant
    assert not capsys.readouterr().err


def test_auto_is_float32_on_a_device_of_another_kind():
    assert resolve("auto", torch.device("meta")) == "float32"


def test_bf16_on_a_processor_without_it_is_done_with_a_warning(monkeypatch, capsys):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx2": True})
    assert resolve("bf16", CPU) == "bf16"
    assert "this processor has no bf16" in capsys.readouterr().err
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": True})
    assert resolve("bf16", CPU) == "bf16"
    assert not capsys.readouterr().err


def test_a_step_that_overflows_is_skipped_and_the_scale_falls(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "smoecast.training.trainer.new_scaler",
        lambda precision, device: torch.amp.GradScaler("cpu", init_scale=2.0**127),
    )
    settings = small_settings(batch_size=8)
    model = pure_model()
    before = [p.detach().clone() for p in model.parameters()]
    run = Trainer(model, settings, CPU, ProcessGroup())
    for parameter in (samples := Fields(8)).targets:
        parameter.mul_(1e3)
    take_step(run, job_of(tmp_path, settings, samples), np.arange(8))
    assert run.scaler.get_scale() == 2.0**126
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_warm_up_comes_before_either_schedule(tmp_path):
    """8 samples in 2 steps an epoch, 5 epochs: 4 steps of warm-up, 6 of the schedule."""
    found = {}
    for schedule in ("plateau", "cosine"):
        settings = small_settings(epochs=5, warmup_steps=4, schedule=schedule, learning_rate=1.0)
        job = job_of(tmp_path, settings)
        found[schedule] = [
            rates(TrainingProgress(epoch=step // 2, step=step % 2), job)[0] for step in range(10)
        ]
    rising = [0.25, 0.5, 0.75, 1.0]
    assert found["plateau"] == pytest.approx(rising + [1.0] * 6)
    falling = 0.5 * (1 + np.cos(np.pi * np.arange(6) / 6))
    assert found["cosine"] == pytest.approx([*rising, *falling])


def test_adam_differs_from_adamw_by_its_decay(task, tmp_path):
    losses = []
    for name in ("adamw", "adam"):
        for decay in (0.0, 0.3):
            settings = small_settings(epochs=1, optimizer=name, weight_decay=decay)
            task |= {"folder": tmp_path / f"{name}{decay}", "settings": settings}
            losses.append(train(small_model(), **task)["best_loss"])
    assert losses[0] == losses[2]
    assert losses[1] != losses[3]


def test_the_average_trails_its_weights_and_copies_buffers(tmp_path):
    settings = small_settings(batch_size=4, ema=0.9, learning_rate=1e-2)
    model = small_model()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    run = Trainer(model, settings, CPU, ProcessGroup())
    job = job_of(tmp_path, settings)
    take_step(run, job, np.arange(8))
    first = {name: p.detach().clone() for name, p in model.named_parameters()}
    take_step(run, job, np.arange(8))
    for name, value in model.named_parameters():
        after_one = 0.1 * start[name] + 0.9 * first[name]  # decay 1 / 10
        expected = (2 / 11) * after_one + (9 / 11) * value
        torch.testing.assert_close(run.judged.get_parameter(name), expected)
        assert "gate" in name or not torch.equal(run.judged.get_parameter(name), value)
    for name, buffer in model.named_buffers():
        assert torch.equal(run.judged.get_buffer(name), buffer)


def test_averaged_weights_are_validated_and_kept(task):
    task["settings"] = small_settings(ema=0.99, learning_rate=1e-2)
    model = small_model()
    outcome = train(model, **task)
    validation = task["validation"]
    with torch.no_grad():
        model.eval()
        loss = float(small_loss(model(validation.inputs), validation.targets))
    assert loss == pytest.approx(outcome["best_loss"], rel=1e-5)
    plain = small_model()
    task |= {"settings": small_settings(learning_rate=1e-2), "fresh": True}
    assert train(plain, **task)["best_loss"] != outcome["best_loss"]


def test_experts_have_a_rate_of_their_own(tmp_path):
    """Adam's first step is the rate, whatever the gradient: experts move by a tenth of it."""
    settings = small_settings(expert_factor=0.1, clip=0.0)
    model = pure_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    take_step(
        Trainer(model, settings, CPU, ProcessGroup()), job_of(tmp_path, settings), np.arange(8)
    )
    last = ("backbone.last.weight", "backbone.last.common")
    moved = {n: float((model.get_parameter(n).detach() - before[n]).abs().max()) for n in last}
    rate = settings.learning_rate
    assert moved["backbone.last.weight"] == pytest.approx(0.1 * rate, rel=1e-2)
    assert moved["backbone.last.common"] == pytest.approx(rate, rel=1e-2)


def test_filters_that_experts_became_keep_their_rate(tmp_path):
    settings = small_settings(expert_factor=0.1, clip=0.0)
    model = pure_model(convolution="frozen")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    take_step(
        Trainer(model, settings, CPU, ProcessGroup()), job_of(tmp_path, settings), np.arange(8)
    )
    moved = {
        name: float((p.detach() - before[name]).abs().max())
        for name, p in model.named_parameters()
        if p.numel()
    }
    # every convolution of this network is one of points
    assert moved == pytest.approx(dict.fromkeys(moved, 0.1 * settings.learning_rate), rel=1e-2)


def test_a_factor_of_one_leaves_older_runs_their_state():
    """A saved optimizer is by the order of its parameters; one group of weights, as before."""
    model = pure_model()
    assert "expert_factor" not in small_settings().decisive()["advanced"]
    assert len(Trainer(model, small_settings(), CPU, ProcessGroup()).optimizer.param_groups) == 2
    apart = Trainer(
        model, small_settings(expert_factor=0.5), CPU, ProcessGroup()
    ).optimizer.param_groups
    assert sum(len(group["params"]) for group in apart) == len(list(model.parameters()))
