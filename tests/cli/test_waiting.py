"""Input that is not there yet is waited for, so long and no longer."""

from datetime import UTC, datetime

import numpy as np
import pytest

from smoecast.cli import waiting
from smoecast.errors import AbsentError, ConfigError, InputError, NotPublishedError


class Clock:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting.time, "monotonic", clock.monotonic)
    return clock


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("1.5m", 90), ("2h", 7200), (" 30d ", 2_592_000)]
)
def test_durations(text: str, seconds: float) -> None:
    assert waiting.seconds_of(text, "--wait") == seconds
    assert waiting.parse_keep(text) == np.timedelta64(seconds, "s")


@pytest.mark.parametrize("text", ["2", "h", "-1h", "0s", "2 h", "1w", "99999999d", "nan"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--wait .*: is no time to wait: write 45s"):
        waiting.seconds_of(text, "--wait")


def test_the_oldest_is_so_long_ago() -> None:
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "s")
    ago = now - waiting.oldest("12h")
    assert np.timedelta64(12, "h") <= ago + np.timedelta64(600, "s")
    assert ago <= np.timedelta64(12, "h")
    assert waiting.oldest(None) is None
    assert waiting.parse_keep(None) is None


@pytest.mark.parametrize("error", [NotPublishedError, AbsentError])
def test_what_comes_in_time_is_taken(
    clock: Clock, error: type[InputError], capsys: pytest.CaptureFixture[str]
) -> None:
    def task() -> dict[str, float]:
        if clock.now < 100:
            raise error("a.grib: not yet")
        return {"at": clock.now}

    assert waiting.wait_for_input(task, "1h", clock.sleep) == {"at": 120.0}
    assert clock.slept == [60.0, 60.0]
    assert capsys.readouterr().err.count("a.grib: not yet: waiting up to 1h") == 1


def test_what_does_not_come_is_4(clock: Clock) -> None:
    def task() -> dict[str, float]:
        raise AbsentError("a.grib: there is no such file")

    with pytest.raises(NotPublishedError, match=r"no such file \(waited 90s for it\)"):
        waiting.wait_for_input(task, "90s", clock.sleep)
    assert clock.now == 90
    assert max(clock.slept) == 1.5
    with pytest.raises(AbsentError):
        waiting.wait_for_input(task, None, clock.sleep)


def test_what_is_wrong_is_not_waited_for(clock: Clock) -> None:
    def task() -> dict[str, float]:
        raise InputError("a.grib: is cut")

    with pytest.raises(InputError):
        waiting.wait_for_input(task, "1h", clock.sleep)
    assert not clock.slept
