"""Results that stay in memory."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses, ensembles

from smoecast.errors import OutputError
from smoecast.fields.write.blocks import blank
from smoecast.fields.write.memory import InMemory


def made(gaps: bool, hole: bool) -> tuple[xr.Dataset, xr.Dataset]:
    """A result that came in two blocks, perhaps with a missing member, and what was given."""
    given = ensembles(analyses(days=6))
    given["t2m"][:, :, 3] = np.nan if hole else given["t2m"][:, :, 3]
    template = given.copy(data={name: blank(given[name].shape) for name in given.data_vars})
    memory = InMemory()
    with memory.open(template, Path(), gaps) as append:
        append(given.isel(init_time=slice(None, 3)))
        append(given.isel(init_time=slice(3, None)))
    return memory.get(), given


def test_blocks_take_their_places() -> None:
    whole, given = made(gaps=False, hole=False)
    for name in given.data_vars:
        np.testing.assert_array_equal(whole[name], given[name])
    valid = given["init_time"] + given["lead_time"]
    np.testing.assert_array_equal(whole["valid_time"], valid)


def test_a_missing_member_is_refused_unless_members_may_be_missing() -> None:
    whole, given = made(gaps=True, hole=True)
    np.testing.assert_array_equal(whole["t2m"], given["t2m"])
    with pytest.raises(OutputError, match="missing values of t2m"):
        made(gaps=False, hole=True)
