"""Every failure has a sentence and an exit code; what the system refuses is read or written."""

import errno
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smoecast.cli import boundary
from smoecast.cli.failures import MOST_LETTERS, explain
from smoecast.cli.main import app
from smoecast.cli.run import run
from smoecast.errors import ModelError


def refused(code: int, *names: object) -> OSError:
    first, second = (*map(str, names), None, None)[:2]
    return OSError(code, os.strerror(code), first, None, second)


def test_our_own_errors_say_it_themselves() -> None:
    assert explain(ModelError("m: is damaged")) == ("m: is damaged", 6)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (refused(errno.ENOSPC, "a.nc"), 5, "a.nc: cannot be written (No space left on device): "),
        (OSError(errno.ENOSPC, "No space"), 5, "a file: cannot be written (No space): make room"),
        (refused(errno.EROFS, "a.nc"), 5, "a.nc: cannot be written (Read-only file system)"),
        (refused(errno.EFBIG, "a.nc"), 5, "a.nc: cannot be written (File too large): raise the"),
        (refused(errno.EIO, "a.tmp", "a.nc"), 5, "a.nc: cannot be written (Input/output error)"),
        (refused(errno.EIO, "a.nc"), 3, "a.nc: cannot be read (Input/output error): allow"),
        (refused(errno.ENOENT, "a.nc"), 3, "a.nc: cannot be read (No such file or directory): "),
        (refused(errno.EMFILE, "a.nc"), 3, "raise the limit on open files"),
        (TimeoutError("no answer\nfrom x"), 3, "TimeoutError: cannot be read (no answer from x)"),
    ],
)
def test_the_system_refuses_to_read_or_to_write(error: OSError, code: int, words: str) -> None:
    sentence, found = explain(error)
    assert found == code
    assert words in sentence


def test_leave_is_refused_to_read_what_cannot_be_read(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "there").touch()
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    for name in ("there", "hidden/file"):
        assert explain(refused(errno.EACCES, tmp_path / name))[1] == 3


def test_leave_is_refused_to_write_what_can_be_read_or_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    for name in ("there", ".new.nc.0123abcd.tmp", ".new.nc.0123abcd.part", "."):
        assert explain(refused(errno.EACCES, tmp_path / name))[1] == 5
    sentence, _ = explain(refused(errno.EACCES, tmp_path / ".new.nc.0123abcd.tmp"))
    assert sentence.startswith(f"{tmp_path}/new.nc: cannot be written")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 8 TiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_memory_that_runs_out_is_said(error: Exception) -> None:
    sentence, code = explain(error)
    assert code == 1
    assert sentence.startswith("memory ran out (")
    assert "report" not in sentence


def test_deep_nesting_is_said() -> None:
    assert explain(RecursionError("maximum"))[0].startswith("what was given is nested too deeply")


def test_what_nobody_foresaw_is_one_line_with_whom_to_tell() -> None:
    sentence, code = explain(ValueError("one\ntwo " + 1000 * "x"))
    assert code == 1
    assert sentence.startswith("unexpected ValueError: one two xxx")
    assert "please report it" in sentence
    assert len(sentence) < MOST_LETTERS + 200


@pytest.mark.parametrize(
    ("signum", "words", "code"),
    [
        (0, "interrupted", 130),
        (signal.SIGINT, "interrupted", 130),
        (signal.SIGHUP, "stopped by SIGHUP", 129),
        (signal.SIGTERM, "stopped by SIGTERM", 143),
    ],
)
def test_a_signal_has_its_word_and_its_code(signum: int, words: str, code: int) -> None:
    said = f"{words}; the same command goes on where it can"
    assert explain(KeyboardInterrupt(), signum) == (said, code)


def fail() -> dict[str, str]:
    raise ValueError("strange")


@pytest.mark.parametrize("way", ["", "option", "environment"])
def test_the_traceback_is_shown_where_it_was_asked_for(
    way: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "environment":
        monkeypatch.setenv("SMOECAST_DEBUG", "1")
    with pytest.raises(SystemExit) as caught:
        run(fail, str, debug=way == "option")
    assert caught.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("smoecast: unexpected ValueError: strange; please report it")
    assert (len(lines) == 1) == (way == "")
    assert ("Traceback" in lines[0]) == (way != "")


def test_what_shows_a_result_may_fail_too() -> None:
    with pytest.raises(SystemExit) as caught:
        run(dict, lambda summary: summary["missing"])
    assert caught.value.code == 1


def test_an_interrupt_of_which_a_library_made_another_error(monkeypatch) -> None:
    monkeypatch.setattr(boundary._state, "signum", signal.SIGINT)
    with pytest.raises(SystemExit) as caught:
        run(fail, str)
    assert caught.value.code == 130


def commands(group, name: tuple[str, ...] = ()):
    for child in group.registered_commands:
        yield (*name, child.name or child.callback.__name__)
    for inner in group.registered_groups:
        yield from commands(inner.typer_instance, (*name, inner.name))


@pytest.mark.parametrize("name", list(commands(app)), ids=" ".join)
def test_every_command_knows_debug(name: tuple[str, ...]) -> None:
    assert "--debug" in CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": "200"}).output
