"""Ensembles whose control and members come in files of their own: GEFS and AIFS-ENS."""

from pathlib import Path

import numpy as np
import pytest
from made_grib import COLUMNS, ROWS, message, write

from smoecast.errors import InputError
from smoecast.fields.channels import field_of
from smoecast.fields.read.open import open_files

STEPS = (6, 12)


def value(number: int, step: int) -> float:
    return 250.0 + number + step / 100


def ecmwf(number: int, step: int, name: str = "t") -> bytes:
    """Return a message of AIFS-ENS: GRIB 2, stream enfo, control (cf) or perturbed (pf)."""
    keys = {"dataDate": 20260601, "dataTime": 0, "centre": "ecmf"}
    keys |= {"setLocalDefinition": 1, "localDefinitionNumber": 1, "class": "ai", "stream": "enfo"}
    keys |= {"productDefinitionTemplateNumber": 1, "type": "pf" if number else "cf"}
    keys |= {"shortName": name, "numberOfForecastsInEnsemble": 51, "perturbationNumber": number}
    keys |= {"typeOfEnsembleForecast": 3 if number else 1, "level": 500, "endStep": step}
    return message("regular_ll_pl_grib2", value(number, step), **keys)


def ncep(number: int, step: int, name: str = "t") -> bytes:
    """Return a message of GEFS: gec00 is the unperturbed forecast of low resolution."""
    keys = {"dataDate": 20260601, "dataTime": 0, "centre": "kwbc"}
    keys |= {"productDefinitionTemplateNumber": 1, "generatingProcessIdentifier": 107}
    keys |= {"typeOfProcessedData": 4 if number else 3, "shortName": name, "level": 500}
    keys |= {"numberOfForecastsInEnsemble": 30, "perturbationNumber": number, "endStep": step}
    keys |= {"typeOfEnsembleForecast": 3 if number else 1}
    return message("regular_ll_pl_grib2", value(number, step), **keys)


def aifs(folder: Path) -> list[Path]:
    """Write the files of a run, a control and a perturbed one for each step."""
    paths = []
    for step in STEPS:
        for kind, numbers in (("cf", (0,)), ("pf", range(1, 51))):
            path = folder / f"20260601000000-{step}h-enfo-{kind}.grib2"
            paths.append(write(path, *(ecmwf(number, step) for number in numbers)))
    return paths


def gefs(folder: Path, members: int = 30) -> list[Path]:
    """Write the files of a run, one a member and step."""
    names = ["gec00", *(f"gep{number:02d}" for number in range(1, members + 1))]
    return [
        write(folder / f"{name}.t00z.pgrb2a.0p50.f{step:03d}", ncep(number, step))
        for number, name in enumerate(names)
        for step in STEPS
    ]


@pytest.mark.parametrize(("make", "size"), [(aifs, 51), (gefs, 31)], ids=["AIFS-ENS", "GEFS"])
def test_every_member_whole_and_right(tmp_path: Path, make, size: int) -> None:
    found = open_files(make(tmp_path)[::-1])
    assert dict(found.sizes) | {"level": 1} == {
        "init_time": 1, "lead_time": 2, "number": size, "level": 1, "latitude": ROWS,
        "longitude": COLUMNS,
    }  # fmt: skip
    assert found["number"].values.tolist() == list(range(size))
    values = field_of(found, "t500").values[0]
    counted = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    for at, step in enumerate(STEPS):
        for number in range(size):
            np.testing.assert_allclose(values[at, number], value(number, step) + counted, atol=1e-4)


def test_a_member_of_a_step_that_is_missing(tmp_path: Path) -> None:
    paths = [path for path in gefs(tmp_path, 8) if path.name != "gep07.t00z.pgrb2a.0p50.f012"]
    with pytest.raises(
        InputError,
        match=r"f006 do not make one block of t, which has nothing for "
        r"2026-06-01.*, 12 h ahead, member 7: fetch what is missing",
    ):
        open_files(paths)


def test_a_control_twice(tmp_path: Path) -> None:
    paths = [*aifs(tmp_path), write(tmp_path / "again.grib2", ecmwf(0, 6))]
    with pytest.raises(InputError, match=r"enfo-cf.grib2 and .*again.grib2 both have t: name one"):
        open_files(paths)
