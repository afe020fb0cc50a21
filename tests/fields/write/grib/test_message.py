"""One GRIB message: what packing may change, and that it is looked at."""

from collections.abc import Callable, Iterator

import eccodes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smoecast.errors import OutputError
from smoecast.fields.grid import Grid
from smoecast.fields.write.grib.content import Content
from smoecast.fields.write.grib.grid import grid_keys
from smoecast.fields.write.grib.keys import products_of
from smoecast.fields.write.grib.message import LEAST, pack, templates_of

GRID = Grid(np.linspace(60, -60, 5), np.arange(6) * 60.0)
KEYS: dict[str, int | str] = {"dataDate": 20200101, "dataTime": 600, "forecastTime": 6}


@pytest.fixture(scope="module")
def template() -> Iterator[int]:
    products = products_of(Content(("t2m",), (6.0,)))
    with templates_of(products, grid_keys(GRID)) as handles:
        yield handles[0]


def again(message: bytes) -> np.ndarray:
    """Return the values of a message as a reader that knows nothing of us decodes them."""
    handle = eccodes.codes_new_from_message(message)
    try:
        eccodes.codes_set(handle, "missingValue", 1e30)
        values = eccodes.codes_get_values(handle).reshape(GRID.shape)
    finally:
        eccodes.codes_release(handle)
    return np.where(values == 1e30, np.nan, values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 30.0, 1e4, 1e12]),
)
def test_values_come_back_within_half_a_step(
    template: int, seed: int, share: float, mean: float, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    values = (mean + spread * rng.normal(size=GRID.shape)).astype(np.float32).astype(np.float64)
    values[rng.random(GRID.shape) < share] = np.nan
    packed = pack(template, KEYS, values)
    found = again(packed.message)
    np.testing.assert_array_equal(found, packed.values)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    known = values[~np.isnan(values)]
    if known.size:
        error = np.abs(found - values)[~np.isnan(values)].max()
        assert error <= (packed.step / 2 * (1 + 1e-9) if packed.step else LEAST)
        assert packed.step <= 2.0**-23 * np.ptp(known) * (1 + 1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -280.15, float(np.float32(0.3)) * 100, 8e-39])
def test_a_field_of_one_value_is_rounded_to_32_bits(template: int, value: float) -> None:
    packed = pack(template, KEYS, np.full(GRID.shape, value))
    assert packed.step == 0
    np.testing.assert_allclose(again(packed.message), value, rtol=2.0**-23, atol=LEAST)


def test_the_same_values_make_the_same_bytes(template: int) -> None:
    fields = [np.full(GRID.shape, value) for value in (1.0, np.nan, 2.0)]
    fields.append(np.arange(30.0).reshape(GRID.shape))
    first = [pack(template, KEYS, values).message for values in fields]
    second = [pack(template, KEYS, values).message for values in reversed(fields)]
    assert first == second[::-1]


@pytest.mark.parametrize("wrong", [lambda v: v + 1e-4, lambda v: np.where(v > 3, 1e20, v)])
def test_a_packing_that_errs_is_refused(
    template: int, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[np.ndarray], np.ndarray]
) -> None:
    right = eccodes.codes_get_values
    monkeypatch.setattr(eccodes, "codes_get_values", lambda handle: wrong(right(handle)))
    with pytest.raises(OutputError, match="packed a field with a larger error than it may"):
        pack(template, KEYS, np.arange(30.0).reshape(GRID.shape))
