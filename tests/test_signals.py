"""Signals that ask for an end: the second ends at once, children leave them to their parent."""

import os
import signal
import subprocess
import sys

from smoecast import signals

TWICE = """
import os, signal
from smoecast import signals
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
signals.time.sleep = lambda seconds: os.kill(os.getpid(), {soon})
def first(signum, frame):
    signals.give_way()
    print("went on", flush=True)
signal.signal(signal.SIGTERM, first)
os.kill(os.getpid(), signal.SIGTERM)
while True:
    {then}
"""


def run(soon: str, then: str) -> subprocess.CompletedProcess[str]:
    code = TWICE.format(soon=soon, then=then)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_same_signal_twice_at_once_is_one() -> None:
    done = run("signal.SIGTERM", "raise SystemExit(3)")
    assert (done.returncode, done.stdout) == (3, "went on\n")


def test_a_second_one_ends_at_once() -> None:
    done = run("0", "os.kill(os.getpid(), signal.SIGINT)")
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "went on\n")


def test_what_was_ignored_stays_ignored() -> None:
    code = (
        "import signal\nfrom smoecast import signals\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nsignals.give_way()\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
        "signal.raise_signal(signal.SIGHUP)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_child_leaves_signals_to_its_parent() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with signals.leave_to_parent():
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    for signum in signals.SIGNALS:
        os.kill(child.pid, signum)
    child.communicate(b"\n")
    assert child.returncode == 0
