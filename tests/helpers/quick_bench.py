"""All ways of a benchmark's tasks, done once in this process, on tiny data."""

from pathlib import Path

from smoecast.tasks.bench.bench import find_case
from smoecast.tasks.bench.measuring.case import Setting, Task
from smoecast.tasks.bench.measuring.peers import is_installed


def do_all(name: str, folder: Path) -> dict[str, dict[str, object]]:
    """Return what each way of each task returned, without peers that are not installed."""
    case, setting = find_case(name), Setting(folder, quick=True)
    if case.make_data:
        case.make_data(setting)
    tasks = case.tasks(setting)
    with case.around(setting):
        return {title: _do_task(title, task, setting) for title, task in tasks.items()}


def _do_task(title: str, task: Task, setting: Setting) -> dict[str, object]:
    found: dict[str, object] = {}
    assert task.pairs()
    for number, (words, way) in enumerate(task.ways.items()):
        if way.needs and not is_installed(way.needs):
            continue
        place = setting.folder / f"way{number}_{title.encode().hex()[:80]}"  # cdo knows no spaces
        place.mkdir()
        found[words] = way.make(setting)(place)
    return found
