"""One thread per test process: two processes with two threads each wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
