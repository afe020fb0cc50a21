"""Presets of SMoE layers: what is not given is as the preset has it."""

import pytest

from smoecast.config import yaml_file
from smoecast.config.network import PRESETS, Network, NetworkAdvanced, Smoe, SmoeAdvanced
from smoecast.config.run import Config


def test_a_preset_says_what_is_not_given() -> None:
    assert Smoe().advanced == SmoeAdvanced()
    paper = Smoe(preset="paper").advanced
    assert paper.model_dump() == SmoeAdvanced().model_dump() | dict(PRESETS["paper"])
    assert paper.routing_loss == "points"


def test_an_advanced_key_overrides_the_preset_wherever_it_is_given() -> None:
    text = "network: {smoe: {preset: paper, advanced: {bias: true}}}"
    smoe = yaml_file.parse(text, "t", ["network.smoe.advanced.damping=0.5"]).network.smoe
    assert (smoe.advanced.bias, smoe.advanced.damping, smoe.advanced.order) == (True, 0.5, "score")
    made = Smoe(preset="paper", advanced=SmoeAdvanced(bias=True))
    assert (
        made.advanced.model_dump()
        == Smoe(preset="paper", advanced={"bias": True}).advanced.model_dump()
    )
    assert (made.advanced.bias, made.advanced.shared) == (True, False)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_resolved_preset_survives_its_file(preset: str) -> None:
    config = yaml_file.parse("", "t", [f"network.smoe.preset={preset}"])
    assert yaml_file.parse(yaml_file.dump(config), "again") == config


def test_what_a_preset_says_decides_the_network_and_not_its_name() -> None:
    changed = Smoe(advanced=dict(PRESETS["paper"]))
    both = [
        Config().network.model_copy(update={"smoe": s}) for s in (changed, Smoe(preset="paper"))
    ]
    assert both[0].decisive() == both[1].decisive()
    assert both[0].decisive() != Config().network.decisive()


def test_sizes_stand_for_all_places_but_those_that_are_named() -> None:
    smoe = Smoe(
        expansion=5.0,
        experts_per_channel=3,
        advanced={"expansion_at": {"last": 8.0}, "experts_per_channel_at": {"hidden.1": 2}},
    )
    assert smoe.sizes_at(["last"]) == (8.0, 3)
    assert smoe.sizes_at(["hidden", "hidden.1"]) == (5.0, 2)
    assert smoe.places_with_size == ("last", "hidden.1")


def test_a_key_that_came_later_counts_only_where_it_is_set() -> None:
    """A training that an older version began can so go on."""
    older = {"first_kernel_size": 0, "position_channels": 0}
    assert Network().decisive()["advanced"] == older
    changed = Network(advanced=NetworkAdvanced(position_embedding="all"))
    assert changed.decisive()["advanced"] == {**older, "position_embedding": "all"}
    assert "compared_samples" not in Network().decisive()["smoe"]["advanced"]
    sampled = Network(smoe=Smoe(advanced={"compared_samples": 4}))
    assert sampled.decisive()["smoe"]["advanced"]["compared_samples"] == 4
