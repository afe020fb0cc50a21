"""stdout carries results, stderr the rest, and nothing draws bars off a terminal."""

import json
import logging
import warnings

import pytest
from log_lines import without_times

from smoecast import console


@pytest.fixture(autouse=True)
def _loud() -> None:
    console.configure(quiet=False)


def test_results_and_logs_take_their_own_streams(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("42")
    console.say("working")
    console.fail("broken")
    out, err = capsys.readouterr()
    assert out == "42\n"
    assert err == "working\nsmoecast: broken\n"


def test_quiet_keeps_results_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    console.configure(quiet=True)
    console.say("working")
    console.result("42")
    console.fail("broken")
    console.configure(quiet=False)
    assert capsys.readouterr() == ("42\n", "smoecast: broken\n")


def test_progress_off_a_terminal_is_plain_lines_with_an_eta(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 1.0, 20.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds))
    with console.progress("counting", 10) as step:
        step(1)  # too soon for a line
        step(4, "loss 0.5")
    assert capsys.readouterr().err == "counting: 4 of 10, 30 s left, loss 0.5\n"


def test_progress_towards_one_is_a_percentage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 20.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds))
    with console.progress("simulating", 1.0) as step:
        step(0.4)
    assert capsys.readouterr().err == "simulating: 40%, 30 s left\n"


def test_progress_on_a_terminal_is_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with console.progress("counting", 10) as step:
        step(5, "half")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(41.6, "42 s"), (185, "3 min 5 s"), (4800, "1 h 20 min")]
)
def test_clock(seconds: float, words: str) -> None:
    assert console.clock(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(12, "12 bytes"), (3400, "3.4 kB"), (2.5e6, "2.5 MB"), (7e10, "70.0 GB")]
)
def test_volume(count: float, words: str) -> None:
    assert console.volume(count) == words


def test_an_eta_leaves_out_what_was_done_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 20.0, 40.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds))
    with console.progress("training", 20) as step:
        step(10.0, begun=10.0)  # nothing of this run yet
        step(12.5, "loss 0.5", begun=10.0)
    assert capsys.readouterr().err == "training: 12.5 of 20, 2 min 0 s left, loss 0.5\n"


def test_a_bar_begins_where_an_earlier_run_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with console.progress("training", 20) as step:
        step(10.2, begun=10.1)
        step(10.4, begun=10.1)
    assert "10/20" in capsys.readouterr().err


def test_a_mute_process_shows_errors_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_state", {**console._state, "quiet": False})
    console.mute()
    console.say("working")
    console.result("42")
    console.fail("broken")
    assert capsys.readouterr() == ("", "smoecast: broken\n")


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.fail("odd\nname: is damaged")
    assert capsys.readouterr().err == "smoecast: odd name: is damaged\n"


def test_no_run_ends_because_nobody_takes_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = []

    class Full:
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    monkeypatch.setattr(console, "drop", dropped.append)
    console.say("working")
    assert dropped == [2]


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\r", "\x9b", "\x7f", "\u202e", "\u2066", "\x00"])
def test_nobody_who_names_a_file_commands_the_terminal(
    capsys: pytest.CaptureFixture[str], sign: str
) -> None:
    console.say(f"a{sign}[2Jb")
    console.result(f"a{sign}[2Jb\n\tc é")
    console.fail(f"a{sign}[2Jb")
    shown = "".join(capsys.readouterr())
    assert sign not in shown
    assert "a?[2Jb\n\tc é\n" in shown


def test_lines_begin_with_the_time_where_it_is_wished(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_state", dict(console._state))
    console.stamp(True)
    console.say("working")
    console.fail("broken")
    console.result("42")
    out, err = capsys.readouterr()
    assert out == "42\n"
    assert without_times(err) == "working\nsmoecast: broken\n"


@pytest.mark.parametrize("quiet", [False, True])
def test_warnings_and_logs_of_libraries_are_lines_like_ours(
    quiet: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    console.configure(quiet=quiet, log_json=True, verb="train")
    logger = logging.Logger("torch")  # one that pytest has no handler for
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("odd\nvalue", UserWarning, stacklevel=1)
    logger.warning("slow %s", "disk")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [(line["level"], line["verb"], line["message"]) for line in lines]
    expected = [
        ("warning", "train", "UserWarning: odd value"),
        ("warning", "train", "torch: slow disk"),
    ]
    assert said == ([] if quiet else expected)


def test_a_log_for_machines_has_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(console, "_LINE_SECONDS", -1.0)
    console.configure(quiet=False, log_json=True)
    with console.progress("counting", 10) as step:
        step(5)
    assert json.loads(capsys.readouterr().err)["message"].startswith("counting: 5 of 10, ")


def test_what_another_process_said_is_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    with console.listen() as lines:
        console.say("regridding")
        console.warn("no room")
    assert capsys.readouterr().err == ""
    console.repeat(lines)
    assert capsys.readouterr().err == "regridding\nsmoecast: no room\n"
    console.configure(quiet=True)
    console.repeat(lines)
    assert capsys.readouterr().err == "smoecast: no room\n"
