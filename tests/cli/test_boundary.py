"""The console script in odd surroundings: closed, full or broken streams, interrupts."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from log_lines import without_times

from smoecast.cli import boundary

SCRIPT = "import sys; sys.argv[0] = 'smoecast'; from smoecast.cli.entry import main; main()"
INTERRUPTED = """
import sys, signal, smoecast.cli.boundary as boundary
import smoecast.zoo as zoo
{how}
sys.argv = ["smoecast", "models", "list"]
boundary.main()
"""


def call(
    *arguments: str, redirect: str = "", cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Call the console script through a shell, which redirects its streams."""
    shell = ["sh", "-c", f'"$@" {redirect}', "sh", sys.executable, "-c", SCRIPT, *arguments]
    path = os.pathsep.join(sys.path)
    return subprocess.run(
        shell,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that listens to interrupts, also where the suite runs behind `&`."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_the_console_script_is_the_guarded_one() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    scripts = tomllib.loads(project.read_text())["project"]["scripts"]
    assert scripts == {"smoecast": "smoecast.cli.entry:main"}


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_threads_that_wait_do_not_spin_for_long_unless_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], found: str
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    done = run("import smoecast.cli.entry, os; print(os.environ.get('GOMP_SPINCOUNT'))")
    assert done.stdout.strip() == found


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "schema"]])
def test_an_answer_that_cannot_be_printed_is_5(arguments: list[str]) -> None:
    done = call(*arguments, redirect="> /dev/full")
    assert done.returncode == 5
    said = without_times(done.stderr)
    assert said.startswith("smoecast: standard output: the answer cannot be printed (No sp")
    assert len(done.stderr.splitlines()) == 1


@needs_full
def test_a_result_stays_where_it_cannot_be_told(tmp_path: Path) -> None:
    done = call("config", "init", "a.yaml", redirect="> /dev/full", cwd=tmp_path)
    assert done.returncode == 5
    assert (tmp_path / "a.yaml").read_text().startswith("# A run of smoecast")


@pytest.mark.parametrize(
    "redirect", ["2>&-", "<&-", ">&-", pytest.param("2>/dev/full", marks=needs_full)]
)
def test_streams_that_are_closed_or_full_change_no_exit_code(tmp_path: Path, redirect: str) -> None:
    done = call("config", "init", "a.yaml", redirect=redirect, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.yaml").read_text().endswith("\n")
    failed = call("config", "check", "-c", "none.yaml", redirect=redirect, cwd=tmp_path)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr + failed.stdout
    assert failed.stdout == ""


def test_a_reader_that_has_seen_enough_is_well() -> None:
    done = call("config", "schema", redirect="| true")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd "{gone}" && rmdir "{gone}" && exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", SCRIPT, "config", "init"]
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 3
    assert without_times(done.stderr).startswith("smoecast: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_locale_without_the_letters_spells_them_out(tmp_path: Path) -> None:
    (tmp_path / "Zürich→").mkdir()
    done = call("config", "init", "Zürich→/run.yaml", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "Z\\xfcrich\\u2192/run.yaml" in done.stdout


@pytest.mark.parametrize("home", ["", "/nowhere"])
def test_no_home_is_needed(home: str) -> None:
    done = call("config", "check", "-c", "~nobody-here/run.yaml", HOME=home)
    assert done.returncode == 2
    assert "there is no such file" in done.stderr


@pytest.mark.parametrize(
    "how",
    [
        "zoo.names = lambda: signal.raise_signal(signal.SIGINT)",
        # while an object dies, where Python would show a traceback and go on
        "class Dying:\n    def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        "def names():\n    Dying()\n    return []\n"
        "zoo.names = names",
        # a library makes another error of it
        "def names():\n    try: signal.raise_signal(signal.SIGINT)\n"
        "    except KeyboardInterrupt: raise ImportError('no')\n"
        "zoo.names = names",
    ],
)
def test_an_interrupt_is_130_and_one_line(how: str) -> None:
    code = INTERRUPTED.format(how=how)
    done = run(code)
    assert done.returncode == 130
    said = without_times(done.stderr)
    assert said == "smoecast: interrupted; the same command goes on where it can\n"


def test_an_interrupt_before_anything_is_loaded() -> None:
    code = (
        "import sys, signal\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'smoecast.console': signal.raise_signal(signal.SIGINT)\n"
        f"sys.meta_path.insert(0, Finder())\n{SCRIPT}"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (130, "smoecast: interrupted\n")


def test_an_interrupt_that_was_to_be_ignored_is_ignored() -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + INTERRUPTED.format(
        how="zoo.names = lambda: signal.raise_signal(signal.SIGINT) or []"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_fails_while_objects_die_is_shown_with_debug_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        def __del__(self) -> None:
            raise RuntimeError("HDF error")

    monkeypatch.setattr(sys, "unraisablehook", boundary._unraisable)
    for debug in (False, True):
        boundary.configure(debug=debug)
        Dying()
        assert ("HDF error" in capsys.readouterr().err) == debug
    boundary.configure(debug=False)


def test_a_second_interrupt_ends_at_once() -> None:
    code = INTERRUPTED.format(
        how="def names():\n    try: signal.raise_signal(signal.SIGINT)\n"
        "    finally: signal.raise_signal(signal.SIGINT)\n"
        "zoo.names = names"
    )
    done = run(code)
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""
