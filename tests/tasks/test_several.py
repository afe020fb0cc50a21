"""Of several results those that fail are named, and the others are made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from smoecast.config.run import Compute
from smoecast.errors import (
    InputError,
    Interrupted,
    LockedError,
    ModelError,
    NotPublishedError,
    OutputError,
    SmoecastError,
)
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.several import make_each, summarize

NAME = OutputName("{init_time:%Y%m%d}.nc")
JOBS = NAME.split(np.arange("2026-01-01", "2026-01-09", dtype="datetime64[D]").astype("M8[ns]"))


class Maker:
    """Makes results in this process by a function."""

    compute = Compute()

    def __init__(self, make: Callable[[Path, np.ndarray, object], bool]) -> None:
        self.make = make


def no_step(done: float, note: str = "", *, begun: float = 0.0) -> None:
    pass


def call(failing: dict[str, BaseException], jobs: dict = JOBS) -> list[str]:
    """Make each, and return what was."""
    made = []

    def make(path: Path, starts: np.ndarray, step: object) -> bool:
        if path.stem in failing:
            raise failing[path.stem]
        made.append(path.stem)
        return True

    try:
        make_each(jobs, Maker(make), no_step)
    finally:
        made.sort()
    return made


def test_progress_counts_starts() -> None:
    told = []

    def make(path: Path, starts: np.ndarray, step: object) -> bool:
        step(0.5)
        return False

    written = make_each(JOBS, Maker(make), lambda done, note="", begun=0.0: told.append(done))
    assert written == [False] * 8
    assert told[:4] == [0.5, 1, 1.5, 2]


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        ({"20260102": InputError("cut")}, OutputError),
        ({"20260102": InputError("cut"), "20260108": NotPublishedError("later")}, OutputError),
        ({"20260108": NotPublishedError("later")}, NotPublishedError),
        ({"20260103": LockedError("held")}, LockedError),
        ({"20260103": OSError(28, "No space left on device")}, OutputError),
        ({path.stem: ModelError("wrong units") for path in JOBS}, ModelError),
        ({path.stem: OSError(28, "No space left on device") for path in JOBS}, OutputError),
    ],
)
def test_the_failed_are_named_and_the_others_made(
    failing: dict[str, Exception], kind: type[SmoecastError]
) -> None:
    made = []

    def make(path: Path, starts: np.ndarray, step: object) -> bool:
        if path.stem in failing:
            raise failing[path.stem]
        made.append(path.stem)
        return True

    with pytest.raises(SmoecastError) as caught:
        make_each(JOBS, Maker(make), no_step)
    assert type(caught.value) is kind
    assert sorted({*made, *failing}) == sorted(path.stem for path in JOBS)
    said = str(caught.value)
    assert said.startswith(f"{len(failing)} of 8 results were not made, the others are whole: ")
    assert all(name in said for name in list(failing)[:5])
    assert ("and 3 more" in said) == (len(failing) == 8)


def test_the_only_one_fails_as_itself() -> None:
    one = dict([next(iter(JOBS.items()))])
    with pytest.raises(InputError, match=r"^cut$"):
        call({"20260101": InputError("cut")}, one)


def test_a_signal_ends_all() -> None:
    with pytest.raises(Interrupted):
        call({"20260102": Interrupted(15, "nothing")})


def test_a_summary_tells_how_many_were_made() -> None:
    found = summarize(NAME, JOBS, [True] + [False] * 7, ["t2m"], [24], ["5 members"])
    assert found["output"] == "{init_time:%Y%m%d}.nc"
    assert found["outputs"][0] == "20260101.nc"
    assert (found["written"], found["made"], found["starts"]) == (True, 1, 8)
    assert found["what"] == "t2m at 24 h, 5 members"
