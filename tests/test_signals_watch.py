import os
import signal
import threading
import time

from smoecast.errors import Interrupted, SmoecastError
from smoecast.signals import watch


def test_notes_the_signal_and_puts_the_handlers_back():
    before = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    with watch() as noted:
        assert noted.signum == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert noted.signum == signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # a second one ends at once
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)] == before


def test_outside_the_main_thread_nothing_is_watched():
    seen = []

    def body():
        with watch() as noted:
            seen.append(noted.signum)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [0]


def test_a_signal_ends_a_sleep_whichever_thread_it_comes_to():
    with watch() as noted:
        threading.Timer(0.05, signal.raise_signal, [signal.SIGTERM]).start()
        begin = time.monotonic()
        noted.sleep(600)
        assert noted.signum == signal.SIGTERM
        noted.sleep(600)  # and none begins after it
        assert time.monotonic() - begin < 300


def test_a_sleep_without_signals_takes_its_time():
    with watch() as noted:
        begin = time.monotonic()
        noted.sleep(0.02)
        assert time.monotonic() - begin >= 0.02
    noted.sleep(0.0)
    assert noted.signum == 0


def test_exit_code_tells_the_signal():
    error = Interrupted(signal.SIGTERM, "epoch 1 is saved")
    assert isinstance(error, SmoecastError)
    assert error.exit_code == 143
    assert str(error) == "stopped by SIGTERM: epoch 1 is saved; the same command goes on from there"
    assert Interrupted(signal.SIGINT, "").exit_code == 130
