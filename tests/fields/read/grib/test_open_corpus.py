"""Hundreds of GRIB files made from ecCodes' samples: read as ecCodes reads them, or refused."""

import grib_corpus
import pytest
from plain_grib import outcome

CASES = {name: (make, must) for name, make, must in grib_corpus.cases()}


@pytest.mark.parametrize("name", CASES)
def test_corpus(tmp_path, name):
    make, must_be_read = CASES[name]
    path = tmp_path / "a.grib"
    path.write_bytes(make())
    refusal = outcome(path)
    if must_be_read:
        assert refusal == ""


def test_corpus_is_large():
    assert len(CASES) >= 350
    assert sum(must for _, must in CASES.values()) >= 150
    assert len(grib_corpus.samples()) >= 110
