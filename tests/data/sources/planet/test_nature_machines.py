"""The same weather on any processor: its rounding must not reach what the flow depends on."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from smoecast.data.sources.planet import dynamics, nature
from smoecast.data.sources.planet.climate import Climate

FEATURES = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
"""Of the processor, those that this numpy has functions for; X86_V3 has fused multiply-add."""
DAYS = 30
PLAIN = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
"""numpy without its functions for AVX-512."""
WEATHER = "b1ce4c30a38f5838ed60cfc47aa19da5b5ddc14666b25aa4ba91a212591eb566"
"""SHA-256 of the state of 31 January 2001, begun without a spin-up."""


def weather() -> str:
    """Return the hash of the state after a month."""
    flow, start = dynamics.build(Climate()), np.datetime64("2001-01-01", "s")
    state = nature.first_state(flow, 0, dynamics.season(start))
    for time, later in nature.run(flow, state, start):
        if time >= start + np.timedelta64(DAYS, "D"):
            state = later
            break
    return hashlib.sha256(state.pv.tobytes()).hexdigest()


@pytest.mark.skipif("X86_V3" not in FEATURES, reason="a processor without fused multiply-add")
def test_weather_is_the_published_one():
    assert weather() == WEATHER


@pytest.mark.skipif("X86_V4" not in FEATURES, reason="a processor without AVX-512")
def test_weather_without_avx512_is_the_same():
    plain = {**os.environ, **PLAIN}
    words = subprocess.check_output([sys.executable, __file__], env=plain, text=True)
    assert words.strip() == weather()


if __name__ == "__main__":
    print(weather())
