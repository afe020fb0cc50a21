"""What a report says of a network is what it is made of."""

import pytest

from smoecast.config.run import Config
from smoecast.tasks.report.facts import describe_network

TUNED = {"fine_tuning": {"epochs": 1, "free_filters": True}}


@pytest.mark.parametrize(
    ("network", "training", "words"),
    [
        ({}, {}, "SMoE layers: last"),
        ({"smoe": {"layers": ["hidden.1", "last"]}}, {}, "SMoE layers: hidden.1, last"),
        ({"smoe": {"layers": "none"}}, {}, "plain"),
        ({"convolution": "plain"}, {}, "plain"),
        ({"convolution": "local"}, {}, "locally connected layers: last"),
        ({"convolution": "lowrank"}, {}, "low-rank local layers: last"),
        ({"convolution": "coordconv"}, {}, "CoordConv layers: last"),
        ({"convolution": "frozen"}, {}, "a filter for each point: last"),
        ({"convolution": "plain"}, TUNED, "a filter for each point: last"),
        ({}, TUNED, "a filter for each point: last, made of experts"),
    ],
)
def test_its_layers_are_named(network: dict, training: dict, words: str) -> None:
    config = Config.model_validate({"network": network, "training": training})
    assert describe_network(config) == f"resnet, width 48, blocks 5, {words}"
