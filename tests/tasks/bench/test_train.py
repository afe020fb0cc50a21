"""Training: our loop and the plain one take the same epoch."""

from pathlib import Path

import pytest
from quick_bench import do_all

from smoecast.tasks.bench.measuring.case import OURS
from smoecast.tasks.bench.train import PLAIN
from smoecast.training import compiling


@pytest.mark.filterwarnings("ignore")  # PyTorch's own, while it traces
def test_both_loops_learn_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "BACKEND", "eager")  # a program takes a minute
    found = do_all("train", tmp_path)
    plain = found["an epoch of planet-resnet from a store"]
    assert plain[OURS] == pytest.approx(plain[PLAIN], rel=0.02)
    assert plain[OURS] > 0
    assert len(found) == 7
