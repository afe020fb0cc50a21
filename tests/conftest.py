"""What every test begins with."""

import os

import pytest

from smoecast import console

# two processes with two threads each wait for each other; smoecast.console loads no torch
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def talkative() -> None:
    """A command that ran with --quiet in the same process does not silence the next test."""
    console.configure(quiet=False)
