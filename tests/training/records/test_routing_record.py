"""The record of the routing: what is kept of it, that nothing is lost, that it moves nothing."""

import os
import signal

import pytest
import torch
from safetensors.torch import load_file
from small_training import small_model, small_settings, train

from smoecast.errors import Interrupted
from smoecast.nn.smoe.inspect import rival_map
from smoecast.nn.smoe.model_layers import smoe_layers
from smoecast.training.records import routing_record
from smoecast.training.records.routing_record import ROUTING, is_noted, note_routing


def test_the_start_and_the_powers_of_two_are_kept(task):
    assert [epoch for epoch in range(20) if is_noted(epoch)] == [0, 1, 2, 4, 8, 16]
    task["settings"] = small_settings(epochs=3)
    first = small_model()
    train(small_model(), **task)
    kept = load_file(task["folder"] / ROUTING)
    layers = smoe_layers(first)
    numbers = range(1, len(layers) + 1)
    assert {*kept} == {f"{epoch}.layer{n}" for epoch in (0, 1, 2) for n in numbers}
    for n, layer in zip(numbers, layers, strict=True):
        assert kept[f"0.layer{n}"].dtype == torch.uint8
        assert torch.equal(kept[f"0.layer{n}"].long(), rival_map(layer))


def test_of_wide_layers_the_first_maps_are_kept(monkeypatch):
    monkeypatch.setattr(routing_record, "MOST_MAPS", 2)
    assert {len(maps) for maps in note_routing(small_model(), 0).values()} <= {1, 2}


def test_a_stopped_run_ends_with_the_same_record(task, tmp_path):
    task["settings"] = small_settings(epochs=2)
    task["folder"] = tmp_path / "whole"
    train(small_model(), **task)
    task["folder"] = tmp_path / "parts"
    for steps in (3, 5):  # within an epoch
        left = iter(range(steps - 1, -1, -1))

        def stop(_done, left=left):
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(Interrupted):
            train(small_model(), **task, tick=stop)
        (task["folder"] / ROUTING).unlink()  # whatever happens to it, the saved state has it
    train(small_model(), **task)
    files = [(tmp_path / name / ROUTING).read_bytes() for name in ("whole", "parts")]
    assert files[0] == files[1]
    before = (task["folder"] / ROUTING).stat().st_mtime_ns
    train(small_model(), **task)
    assert (task["folder"] / ROUTING).stat().st_mtime_ns == before


def test_it_moves_no_weight(task, tmp_path, monkeypatch):
    task["settings"] = small_settings(epochs=2)
    models = []
    for number in range(2):
        task["folder"] = tmp_path / str(number)
        models.append(small_model())
        train(models[-1], **task)
        monkeypatch.setattr("smoecast.training.loop.note_routing", lambda model, epoch: {})
    assert not (tmp_path / "1" / ROUTING).exists()
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, models[1].state_dict()[name]), name


def test_a_run_without_experts_has_none_and_a_fresh_one_drops_the_old(task):
    train(small_model(), **task)
    assert (task["folder"] / ROUTING).exists()
    train(small_model(layers="none"), **task, fresh=True)
    assert not (task["folder"] / ROUTING).exists()
