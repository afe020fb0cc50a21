"""A disk that refuses is explained with the room that there is, and what to do then."""

import errno
from pathlib import Path

import pytest

from smoecast.disk.explain import explain_errors
from smoecast.errors import InputError, OutputError


@pytest.mark.parametrize(
    "problem", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("NetCDF: HDF error")]
)
def test_what_the_disk_says_names_the_file_the_room_and_the_mend(
    tmp_path: Path, problem: Exception
) -> None:
    path = tmp_path / "missing" / "a.nc"
    words = r"a\.nc: it cannot be written \(.*(No space|HDF error).*; \d+ MiB are free there\): "
    with (
        pytest.raises(OutputError, match=words + "make room or .*, then wait") as refused,
        explain_errors(path, "wait"),
    ):
        raise problem
    assert refused.value.__cause__ is problem


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of its own"), explain_errors(tmp_path / "a.nc"):
        raise InputError("an error of its own")
