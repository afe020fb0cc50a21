"""A benchmark that takes no time: `made_case` as the module of a case."""

import os
import sys
from pathlib import Path

from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work


def make_data(setting: Setting) -> None:
    (setting.folder / "number").write_text("7")


def read(setting: Setting) -> Work:
    def work(place: Path) -> int:
        assert not list(place.iterdir())  # of each time anew
        (place / "seen").touch()
        print("what libraries say goes nowhere")
        return int((setting.folder / "number").read_text())

    return work


def read_alone(setting: Setting) -> Work:
    return lambda _: int((setting.folder / "number").read_text())


def fail_at_work(setting: Setting) -> Work:
    def work(_: Path) -> None:
        raise ValueError("no such luck")

    return work


def fill_the_gpu(setting: Setting) -> Work:
    raise RuntimeError("out of memory\nand a long story")


def end_at_once(setting: Setting) -> Work:
    sys.exit(3)


PEERS = {
    "peer": Way(read),
    "tenth": Way(read, share=0.1),
    "absent": Way(read, needs="cdo"),
    "broken": Way(fail_at_work),
    "gone": Way(end_at_once),
}


def check_threads(setting: Setting) -> Work:
    wanted = None if setting.threads == 0 else str(setting.threads)
    assert os.environ.get("OMP_NUM_THREADS") == wanted
    return read(setting)


def tasks(setting: Setting) -> dict[str, Task]:
    return {
        "reading": Task({OURS: Way(read), **PEERS}),
        "threads": Task({OURS: Way(check_threads), "peer": Way(check_threads)}),
        "together": Task(
            {OURS: Way(read_alone), "full": Way(fill_the_gpu), "peer": Way(read_alone)},
            together=True,
        ),
        "failing": Task({OURS: Way(fail_at_work), "peer": Way(read)}),
        "ending": Task({OURS: Way(end_at_once), "peer": Way(read)}),
    }


CASE = Case("numbers", tasks, make_data)
