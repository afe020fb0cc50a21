"""Whole networks beside their plain twins."""

from pathlib import Path

import pytest
import torch

from smoecast.tasks.bench.measuring.case import OURS, Setting
from smoecast.tasks.bench.networks import (
    BODIES,
    LAST,
    PAPER,
    TINY,
    TWIN,
    NetworkRun,
    bodies,
    passes,
    steps_of_programs,
)


@pytest.mark.parametrize("name", LAST)
def test_every_network_learns_in_half_precision(name: str) -> None:
    run = NetworkRun(TINY, name, Setting(Path(), dtype="bfloat16"))
    before = [p.detach().clone() for p in run.model.parameters() if p.requires_grad]
    run.step()
    after = [p.detach() for p in run.model.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_gpu_has_the_paper_s_network_too() -> None:
    assert bodies(Setting(Path())) == BODIES
    assert PAPER in bodies(Setting(Path(), device="cuda")).values()
    assert {*PAPER.layers} == {OURS, TWIN}
    assert "a pass of a U-Net, 1 start" in passes(Setting(Path()))
    assert len(steps_of_programs(Setting(Path()))) == 4
    assert not steps_of_programs(Setting(Path(), device="cuda"))
