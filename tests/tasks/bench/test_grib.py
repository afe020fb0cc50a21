"""GRIB to arrays: peers read the same values."""

from pathlib import Path

import numpy as np
from quick_bench import do_all

from smoecast.tasks.bench.measuring.case import OURS


def test_peers_read_the_same_values(tmp_path: Path) -> None:
    (ways,) = do_all("grib", tmp_path).values()
    assert {"cfgrib", OURS} <= {*ways}
    ours = np.asarray(ways.pop(OURS)).reshape(24, -1)
    for theirs in ways.values():
        np.testing.assert_allclose(np.asarray(theirs).reshape(24, -1), ours, rtol=1e-5)
