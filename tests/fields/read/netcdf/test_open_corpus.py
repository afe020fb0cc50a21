"""NetCDF files in many layouts: read as netCDF4 reads them, or refused in a sentence."""

import netcdf_corpus
import pytest

CASES = {name: (layout, must) for name, layout, must in netcdf_corpus.cases()}


@pytest.mark.parametrize("name", CASES)
def test_corpus(tmp_path, name):
    layout, must_be_read = CASES[name]
    path = tmp_path / "a.nc"
    netcdf_corpus.write(path, layout)
    refusal = netcdf_corpus.outcome(path, layout)
    if must_be_read:
        assert refusal == ""


def test_corpus_is_large():
    assert len(CASES) >= 150
    assert sum(must for _, must in CASES.values()) >= 80
