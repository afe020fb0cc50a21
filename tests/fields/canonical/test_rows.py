"""From which levels and steps a row of the table is read."""

import pytest

from smoecast.fields.canonical.rows import fits_height, level_refusal, row_at, step_refusal
from smoecast.variables import VARIABLES


@pytest.mark.parametrize(
    ("name", "level_type", "height", "words"),
    [
        ("z", "isobaricInhPa", None, ""),
        ("t", "isobaricInPa", None, ""),
        ("t", "hybrid", None, "t is read on pressure levels alone"),
        ("sp", "surface", None, ""),
        ("sp", "maxWind", None, "sp is read on the ground alone"),
        ("sp", "isobaricInhPa", None, "sp is read on the ground alone"),
        ("tcc", "atmosphere", None, ""),
        ("tcc", "entireAtmosphere", None, ""),
        ("tcc", "lowCloudLayer", None, "tcc is read of the whole atmosphere alone"),
        ("tcc", "unknown", None, "tcc is read of the whole atmosphere alone"),
        ("msl", "meanSea", None, ""),
        ("t2m", "surface", None, ""),
        ("t2m", "heightAboveGround", 2.0, ""),
        ("t2m", "heightAboveGround", 1.5, ""),
        ("t2m", "heightAboveGround", 0.0, ""),
        ("t2m", "heightAboveGround", 80.0, "t2m is read at 2 m above ground alone"),
        ("u10", "heightAboveGround", float("nan"), "u10 is read at 10 m above ground alone"),
        ("tisr", "nominalTop", None, ""),
        ("tsig995", "surface", None, "tsig995 is read without levels alone"),
    ],
)
def test_levels(name: str, level_type: str, height: float | None, words: str) -> None:
    assert level_refusal(VARIABLES[name], level_type, height) == words


@pytest.mark.parametrize(
    ("name", "step_type", "words"),
    [
        ("t2m", "instant", ""),
        ("t2m", "avg", "t2m is read at a moment alone"),
        ("t2m", "max", "t2m is read at a moment alone"),
        ("t2m", "unknown", "t2m is read at a moment alone"),
        ("tp", "accum", ""),
        ("tp", "instant", ""),
        ("tp", "avg", "tp is read as a sum over time alone"),
        ("fg10", "max", ""),
        ("fg10", "avg", "fg10 is read as a maximum over time alone"),
        ("i10fg", "max", "i10fg is read at a moment alone"),
        ("lsm", "avg", ""),
    ],
)
def test_steps(name: str, step_type: str, words: str) -> None:
    assert step_refusal(VARIABLES[name], step_type) == words


def test_geopotential_of_the_ground_is_another_row() -> None:
    assert row_at(VARIABLES["z"], "surface").name == "orography"
    assert row_at(VARIABLES["z"], "isobaricInhPa").name == "z"
    assert row_at(VARIABLES["t"], "surface").name == "t"


def test_a_height_of_zero_says_nothing() -> None:
    assert fits_height(VARIABLES["u10"], 0.0)
    assert fits_height(VARIABLES["u10"], None)
    assert not fits_height(VARIABLES["u10"], 2.0)
