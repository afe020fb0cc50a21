"""Scores: peers come to the same numbers."""

from pathlib import Path

import numpy as np
from quick_bench import do_all

from smoecast.tasks.bench.measuring.case import OURS


def test_peers_come_to_the_same_scores(tmp_path: Path) -> None:
    for ways in do_all("crps", tmp_path).values():
        ours = np.asarray(ways.pop(OURS))
        for theirs in ways.values():
            np.testing.assert_allclose(np.asarray(theirs), ours, rtol=1e-4)
