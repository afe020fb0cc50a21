"""Hours of a sample that a store has."""

import pytest

from smoecast.config.training import Sample
from smoecast.config.yaml_file import parse
from smoecast.errors import ConfigError


def test_hours_between_two_times_name_their_key_and_what_it_could_be() -> None:
    Sample(history_hours=(0, 6), lead_hours=(12,)).check_step(6)
    with pytest.raises(ConfigError, match=r"sample\.lead_hours: \[6\] .* = 24: .*hours: \[24\]"):
        Sample().check_step(24)
    with pytest.raises(ConfigError, match=r"sample\.history_hours: \[5\] .*: \[0, 6\]"):
        Sample(history_hours=(0, 5)).check_step(6)


def test_a_config_without_samples_may_have_any_step() -> None:
    """`preprocess` needs no sample; `train` checks it."""
    assert parse("data: {step_hours: 24}", "f").sample.lead_hours == (6,)
