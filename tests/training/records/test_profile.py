"""Where a step's time goes: all of it is told, and the training is the same."""

import time

import pytest
import torch
from small_training import Fields, small_loss, small_model, small_settings, train

from smoecast.training.records.profile import PARTS, StepProfile, to_text

CPU = torch.device("cpu")


def test_each_part_has_the_time_since_the_one_before():
    profile = StepProfile(CPU)
    time.sleep(0.02)
    profile.mark("rest")  # what was before the first does not count
    profile.mark("forward")
    time.sleep(0.02)
    profile.mark("backward")
    profile.mark("optimiser")
    found = profile.summary()
    parts = found["parts"]
    assert found["steps"] == 1
    assert parts["backward"]["seconds"] > 0.015
    assert parts["rest"]["seconds"] == 0
    profile.start()
    profile.mark("forward")
    assert profile.summary()["parts"]["forward"] == parts["forward"]
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1, abs=1e-3)
    assert list(parts) == list(PARTS)


def test_the_table_has_a_line_a_part_and_their_sum():
    profile = StepProfile(CPU)
    profile.mark("rest")
    profile.mark("optimiser")
    lines = to_text(profile.summary()).splitlines()
    assert lines[0].split() == ["of", "1", "steps", "seconds", "ms", "a", "step", "share"]
    assert [line.split()[0] for line in lines[2:]] == [*PARTS, "all"]


def test_without_a_step_there_is_nothing_to_tell():
    found = StepProfile(CPU).summary()
    assert (found["steps"], found["seconds"]) == (0, 0.0)
    assert to_text(found).startswith("of 0 steps")


def test_a_training_says_all_of_its_parts_and_learns_the_same(tmp_path):
    settings, profile = small_settings(epochs=2), StepProfile(CPU)
    losses = []
    for name, more in (("plain", {}), ("timed", {"mark": profile.mark})):
        records = []
        train(
            small_model(),
            Fields(8),
            Fields(4, seed=1),
            small_loss,
            settings,
            report=records.append,
            folder=tmp_path / name,
            seed=0,
            identity={},
            **more,
        )
        losses.append([(r["train_loss"], r["validation_loss"], r["routing_loss"]) for r in records])
    assert losses[0] == losses[1]
    found = profile.summary()
    assert found["steps"] == 4
    told = {name for name, part in found["parts"].items() if part["seconds"] > 0}
    assert told >= set(PARTS) - {"reading"}  # these samples lie in memory
