"""All ways of a benchmark's tasks, done once in this process, on tiny data."""

from pathlib import Path

from smoecast.tasks.bench.bench import find_case
from smoecast.tasks.bench.measuring.case import Setting
from smoecast.tasks.bench.measuring.peers import is_installed


def do_all(name: str, folder: Path) -> dict[str, dict[str, object]]:
    """Return what each way of each task returned, without peers that are not installed."""
    case, setting = find_case(name), Setting(folder, quick=True)
    if case.make_data:
        case.make_data(setting)
    found: dict[str, dict[str, object]] = {}
    for title, task in case.tasks(setting).items():
        found[title] = {}
        assert task.pairs()
        for number, (words, way) in enumerate(task.ways.items()):
            if way.needs and not is_installed(way.needs):
                continue
            place = folder / f"{title} {number}".replace("/", " ")
            place.mkdir()
            found[title][words] = way.make(setting)(place)
    return found
