"""Scenes in which a command meets with a mishap, and what must be true afterwards.

The operations are those below the folder of the run, counted in an undisturbed run. A reader at
the moment of the mishap finds the old result or the new one, whole; the same command again ends
with the result of an undisturbed run, and with the same names in the folder.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import arrivals
import contents
from mishaps import Outcome, Runner
from small_world import small_run, write_world

from smoecast.config import yaml_file

PLANET = """
name: planet
folder: runs
data:
  channels: [z500, t2m]
  step_hours: 12
  planet: {years: 0.02, ensemble_years: 0.02, members: 2}
sample: {lead_hours: [12]}
postprocess: {channels: [z500, t2m]}
"""

GROWING = ("resume.safetensors", "history.jsonl", "routing.safetensors")
"""What training writes anew after each epoch: at a kill any whole state of it is right."""

PREPROCESS = "preprocess -c run.yaml"
TRAIN = "train -c run.yaml"
FORECAST = "forecast -c run.yaml"
POSTPROCESS = "postprocess -c run.yaml"
EVALUATE = "evaluate -c run.yaml"
CYCLE = "cycle -c cycle.yaml"
EARLIER_CYCLE = f'{CYCLE} -s cycle.analyses=["analyses/200101010*"]'


@dataclass(frozen=True)
class Scene:
    """A command, and what was called before it in the same folder.

    Attributes
    ----------
    gone : tuple of str
        Old results that the command is asked to throw away before there are new ones.
    """

    command: str
    before: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name it in reports."""
        again = " over an older one" if self.command.split()[0] in str(self.before[-1:]) else ""
        return re.sub(r" -c (run|cycle)\.yaml", "", self.command) + again


_MODEL = (*GROWING, "state.json", "model.safetensors")
_RESULTS = (PREPROCESS, TRAIN, FORECAST)
_BESIDE_SCORES = ("runs/small/scores.csv", "runs/small/scores.config.yaml")
"""Missing for a moment rather than those of other scores."""
SCENES = (
    Scene("download -c planet.yaml"),
    Scene("download -c planet.yaml", ("download -c planet.yaml -s data.planet.seed=1",)),
    Scene(PREPROCESS),
    Scene(PREPROCESS, (f"{PREPROCESS} -s data.precision=float16",)),
    Scene(TRAIN, (PREPROCESS,)),
    Scene(
        f"{TRAIN} --fresh",
        (PREPROCESS, f"{TRAIN} -s seed=1"),
        tuple(f"runs/small/model/{name}" for name in _MODEL),
    ),
    Scene(FORECAST, (PREPROCESS, TRAIN)),
    Scene(FORECAST, (PREPROCESS, TRAIN, f"{FORECAST} -s forecast.title=old")),
    Scene(f"{FORECAST} --format wb2", (PREPROCESS, TRAIN)),
    Scene(
        f"{FORECAST} --format wb2",
        (PREPROCESS, TRAIN, f"{FORECAST} --format wb2 -s forecast.title=old"),
    ),
    Scene(f"{FORECAST} --format grib", (PREPROCESS, TRAIN)),
    Scene(
        f"{FORECAST} --format grib",
        (PREPROCESS, TRAIN, f"{FORECAST} --format grib -s forecast.title=old"),
    ),
    Scene(POSTPROCESS, (PREPROCESS,)),
    Scene(POSTPROCESS, (PREPROCESS, f"{POSTPROCESS} -s postprocess.write=[mean,std]")),
    Scene(EVALUATE, _RESULTS),
    Scene(EVALUATE, (*_RESULTS, f"{EVALUATE} -s evaluate.resamples=0"), _BESIDE_SCORES),
    Scene(f"{EVALUATE} -o scores.csv", (*_RESULTS, f"{EVALUATE} -s evaluate.resamples=0")),
    Scene(f"{EVALUATE} -o scores.nc", _RESULTS),
    Scene(
        f"{EVALUATE} -o scores.nc",
        (*_RESULTS, f"{EVALUATE} -s evaluate.resamples=0 -o scores.nc"),
        ("scores.config.yaml",),
    ),
    Scene(CYCLE),
    Scene(CYCLE, (EARLIER_CYCLE,)),
    Scene("plot -c run.yaml -k routing", (PREPROCESS, TRAIN)),
    Scene("plot -c run.yaml -k training", (PREPROCESS, TRAIN)),
    Scene("config init new.yaml"),
    Scene("config init run.yaml --force"),
)
ONCE = [
    s for s in SCENES if not {"--format", "-o"} & {*s.command.split()} and " over " not in str(s)
]
"""Each verb once, with nothing of its own there."""
_WAYS = ("download", "preprocess", "train", "forecast", "config")
FEW = [s for s in ONCE if s.command.split()[0] in _WAYS]
"""Of each way of writing one; the slow tests play all of them.

What every verb says of a full disk, `test_refusals` holds, and of a signal `test_faults`.
"""
QUICK = [
    *(s for s in ONCE if "routing" not in s.command),  # two pictures, which take long to paint
    *(s for s in SCENES if str(s) == "forecast over an older one"),
]
"""Of those in which an older result is replaced, one; the slow tests play all of them."""


@dataclass
class World:
    """A folder in which scenes are played, and what undisturbed ones led to."""

    place: Path
    kept: Path
    runner: Runner
    states: dict[tuple[str, ...], Path] = field(default_factory=dict)
    ends: dict[Scene, "End"] = field(default_factory=dict)

    def set_up(self, before: Sequence[str]) -> None:
        """Bring the folder to the state that some commands lead to."""
        key = tuple(before)
        if key not in self.states:
            self.set_up(before[:-1])
            self.call(before[-1])
            self.states[key] = self._keep(f"state{len(self.states)}")
        shutil.rmtree(self.place)
        shutil.copytree(self.states[key], self.place, symlinks=True)

    def call(self, command: str) -> Outcome:
        """Call a command undisturbed."""
        outcome = self.runner.run(*command.split())
        assert outcome.code == 0, f"{command}: {outcome.err}"
        return outcome

    def _keep(self, name: str) -> Path:
        return Path(shutil.copytree(self.place, self.kept / name, symlinks=True))

    def end_of(self, scene: Scene) -> "End":
        """Return what a scene leads to undisturbed, found out once."""
        if scene not in self.ends:
            self.set_up(scene.before)
            old = _read_all(self.place)
            ends, outcome = [], None
            for second in (False, True):
                if second:
                    time.sleep(1.1)  # no time of day is the same in both
                self.set_up(scene.before)
                outcome = self.call(scene.command)
                ends.append(_read_all(self.place))
            operations = outcome.operations
            self.ends[scene] = End(old, *ends, contents.names(self.place), operations)
        return self.ends[scene]


@dataclass
class End:
    """What a scene begins with and leads to: values by unit, twice, and names."""

    old: dict[str, contents.Leaves]
    new: dict[str, contents.Leaves]
    again: dict[str, contents.Leaves]
    names: set[str]
    operations: list[str]

    def steady(self, unit: str, leaves: contents.Leaves) -> contents.Leaves:
        """Return those values that two undisturbed runs agree in (not times of day).

        Seconds taken are never among them, even where two runs took the same by chance.
        """
        one, two = self.new.get(unit, {}), self.again.get(unit, {})
        differ = {key for key in {*one, *two} if one.get(key) != two.get(key)}
        return {
            key: value
            for key, value in leaves.items()
            if key not in differ and not key.endswith("seconds")
        }

    def is_new(self, unit: str, leaves: contents.Leaves) -> bool:
        """Whether a unit is as undisturbed runs leave it."""
        return self.steady(unit, leaves) == self.steady(unit, self.new.get(unit, {}))


def _read_all(place: Path) -> dict[str, contents.Leaves]:
    return {name: contents.read(path) for name, path in contents.units(place).items()}


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Make the world of the scenes in an empty folder."""
    data, kept, place = (folder / name for name in ("data", "kept", "place"))
    for path in (data, kept, place):
        path.mkdir()
    write_world(data, days=20)
    short = ["evaluate.resamples=20", "folder=runs", "postprocess.lead_hours=[24]"]
    (place / "planet.yaml").write_text(PLANET)
    arrivals.prepare(place)
    (place / "run.yaml").rename(place / "cycle.yaml")
    arrivals.bring_analyses(place, *range(4))
    arrivals.bring_ensembles(place, 0)
    (place / "run.yaml").write_text(yaml_file.dump(small_run(data, Path("runs"), *short)))
    runner = Runner(place)
    shutil.copytree(place, kept / "first")
    yield World(place, kept, runner, {(): kept / "first"})


def play(world: World, scene: Scene, at: int, mishap: str) -> None:
    """Kill a command at one operation; see what is there, and call it again."""
    end = world.end_of(scene)
    world.set_up(scene.before)
    outcome = world.runner.run(*scene.command.split(), mishap=mishap, at=at)
    where = f"killed {mishap} {end.operations[at - 1]}"
    assert outcome.code == -9, f"{where}: {outcome}"
    look_at(world.place, scene, end, where)
    ends_well(world, scene, where)


def look_at(place: Path, scene: Scene, end: End, where: str) -> None:
    """See that every final name is as it was or as it will be."""
    found = _read_all(place)
    for unit, leaves in found.items():
        if Path(unit).name not in GROWING:
            assert leaves == end.old.get(unit) or end.is_new(unit, leaves), f"{where}: {unit}"
    lost = {*end.old} & {*end.new} - {*found} - {*scene.gone}
    assert not lost, f"{where}: {lost} had no name"


def ends_well(world: World, scene: Scene, where: str) -> None:
    """Call the command again: it ends as if nothing had happened."""
    end = world.end_of(scene)
    again = world.runner.run(*scene.command.split())
    assert again.code == 0, f"{where}: {again.err}"
    differ = contents.names(world.place) ^ end.names
    assert not differ, f"{where}: {sorted(differ)} left over or missing after the re-run"
    for unit, leaves in _read_all(world.place).items():
        assert end.is_new(unit, leaves), f"{where}: {unit} is another one after the re-run"


WITHOUT_RECORD = ("config",)


def stop(world: World, scene: Scene, at: int, how: str) -> None:
    """Send SIGTERM at one operation: a sentence, nothing half-written, and all is well again."""
    end = world.end_of(scene)
    world.set_up(scene.before)
    quiet = () if scene.command.startswith("config") else ("-q",)
    outcome = world.runner.run(*scene.command.split(), *quiet, mishap=how, at=at)
    where = f"{how} {end.operations[at - 1]}"
    if outcome.code != 0:  # all was done
        assert outcome.code == 143, f"{where}: {outcome}"
        assert "stopped by SIGTERM" in outcome.one_sentence(), where
    half = [n for n in contents.names(world.place) if n.endswith((".tmp", ".part"))]
    assert not half, f"{where}: {half} left"
    verb = scene.command.split()[0]
    if verb not in WITHOUT_RECORD:
        records = sorted(world.place.rglob(f"records/*_{verb}_*.json"), key=os.path.getmtime)
        assert json.loads(records[-1].read_text())["exit_code"] == outcome.code, where
    look_at(world.place, scene, end, where)
    ends_well(world, scene, where)


MANY = 150
"""Operations from which on those that many small files of a store repeat are one kind."""


def where_to_strike(operations: Sequence[str]) -> list[int]:
    """Return the numbers of the operations at which a scene is disturbed: of all, if they are few.

    Where a store is written, hundreds do the same to one small file after the other: there it is
    the first and the last of each kind, and all after the last file has its final name.
    """
    if len(operations) <= MANY:
        return list(range(1, len(operations) + 1))
    kinds: dict[str, list[int]] = {}
    for number, operation in enumerate(operations, start=1):
        what, path = operation.split(" ", 3)[2:]
        folders = re.sub(r"(\.draft|\.zarr[^/]*)/(\w+)/\w+/", r"\1/\2/*/", path)
        kind = re.sub(r"[0-9a-f]{8,}|\d+", "*", re.sub(r"/\w+(?=/[^/]*$|$)", "/*", folders))
        kinds.setdefault(f"{what} {kind}", []).append(number)
    last = max(n for n, operation in enumerate(operations, start=1) if "rename" in operation)
    ends = {number for numbers in kinds.values() for number in (numbers[0], numbers[-1])}
    removed = range(last, min(last + 20, len(operations)) + 1)
    return sorted({*ends, *removed, len(operations)})


def fill_up(world: World, scene: Scene, at: int) -> None:
    """Have no file grow from one operation on: a sentence, exit code 5, and all is well again."""
    end = world.end_of(scene)
    world.set_up(scene.before)
    quiet = () if scene.command.startswith("config") else ("-q",)
    outcome = world.runner.run(*scene.command.split(), *quiet, mishap="full", at=at)
    where = f"full at {end.operations[at - 1]}"
    if outcome.code != 0:  # nothing more was to be written
        assert outcome.code == 5, f"{where}: {outcome}"
        assert "No space left on device" in outcome.one_sentence()
    look_at(world.place, scene, end, where)
    ends_well(world, scene, where)
