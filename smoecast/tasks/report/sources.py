"""Where the numbers and pictures of a page come from: file, checksums, version, command."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoecast import zoo
from smoecast.config.yaml_file import dump_values
from smoecast.config.yaml_text import check_plain, one_line
from smoecast.disk.digests import sha256_of
from smoecast.errors import InputError
from smoecast.fields.read.results import read_attributes
from smoecast.tasks.provenance import IDENTITY, INPUTS
from smoecast.tasks.report.subjects import Subject
from smoecast.tasks.runs import list_runs
from smoecast.training.model_files import identity_of, load_state

_ATTRIBUTES = {
    "source": "made by",
    "history": "history",
    "config_sha256": "sha256 of the config",
    "model_sha256": "sha256 of the model",
    IDENTITY: "sha256 of all that decides it",
    "seed": "seed",
    "license": "licence",
}


@dataclass(frozen=True)
class Source:
    """A file, what on the page comes from it, and what it says of itself.

    Attributes
    ----------
    number : int
        From 1; the page refers to it so.
    label : str
        Of the run.
    what : str
        What is taken from it.
    file : str
        Run and file.
    facts : list of (str, str)
    """

    number: int
    label: str
    what: str
    file: str
    facts: list[tuple[str, str]]


def list_sources(subjects: Sequence[Subject]) -> list[Source]:
    """Return the files that a page is made of, numbered.

    Raises
    ------
    ModelError
        What a model says of itself is damaged.
    """
    found: list[Source] = []
    for subject in subjects:
        commands = _find_commands(subject)
        for what, path, said in _parts(subject):
            facts = [*said, ("command", commands.get(path.name, ""))]
            where = f"{subject.folder.absolute().name}/{path.relative_to(subject.folder)}"
            shown = [(name, one_line(text, 1000)) for name, text in facts if text]
            found.append(Source(len(found) + 1, subject.label, what, where, shown))
    return found


def number_of_scores(sources: Sequence[Source]) -> dict[str, int]:
    """Return by label which source the scores of a run are."""
    return {s.label: s.number for s in sources if s.what == _SCORES}


_SCORES = "scores, curves, histograms"

Part = tuple[str, Path, list[tuple[str, str]]]


def _parts(subject: Subject) -> list[Part]:
    """Return what is taken from which file of a run, and what that says of itself."""
    found: list[Part] = []
    if subject.scores is not None:
        found.append((_SCORES, subject.scores, _of_scores(subject)))
    results = (("maps of forecasts", subject.forecast), ("maps of ensembles", subject.calibrated))
    found += [(what, path, _of_result(path)) for what, path in results if path is not None]
    models = (("forecast model, routing", subject.model), ("calibration", subject.calibration))
    found += [(what, place, _of_model(place)) for what, place in models if place is not None]
    card = subject.folder / zoo.CARD
    if card.is_file():
        found.append(("card", card, [("sha256", sha256_of(card))]))
    return found


def _of_scores(subject: Subject) -> list[tuple[str, str]]:
    assert subject.scores is not None
    said = zoo.scores(subject.scores.parent)
    facts = [("sha256", sha256_of(subject.scores))]
    if said.get("smoecast"):
        facts.append(("made by", f"smoecast {said['smoecast']}"))
    if isinstance(said.get("config"), dict):
        facts += [("sha256 of the config", digest) for digest in _digest_config(said["config"])]
        facts.append(("made again by", _command(subject, said.get("arguments"))))
    for key in ("truth", "data", "protocol", "bootstrap", "seed", "machine"):
        if isinstance(said.get(key), str | int):
            facts.append((key, str(said[key])))
    for command in as_list(said.get("commands")):
        facts.append(("command", str(command)))
    for entry in as_list(said.get("files")):
        if isinstance(entry, Mapping):
            facts.append(("scored", f"{entry.get('file')}, sha256 {entry.get('sha256')}"))
    return facts


def _command(subject: Subject, arguments: Any) -> str:
    """Return the command that makes the scores again."""
    words = ["smoecast evaluate", subject.argument]
    said = arguments if isinstance(arguments, Mapping) else {}
    for key, option in (("inputs", "--input"), ("truth", "--truth")):
        words += [f"{option} {value}" for value in as_list(said.get(key))]
    words += [f"--against {said['against']}"] if said.get("against") else []
    words += [f"--output {said['output']}"] if said.get("output") else []
    return " ".join(words)


def _of_result(path: Path) -> list[tuple[str, str]]:
    said = read_attributes(path)
    facts = [(words, str(said[key])) for key, words in _ATTRIBUTES.items() if key in said]
    try:
        inputs = as_list(json.loads(str(said.get(INPUTS, "[]"))))
    except (ValueError, RecursionError):
        inputs = []
    for entry in inputs[:5]:
        if isinstance(entry, Mapping):
            facts.append(("input", f"{entry.get('file')}, sha256 {entry.get('sha256')}"))
    if len(inputs) > 5:
        facts.append(("input", f"and {len(inputs) - 5} more"))
    return facts


def _of_model(place: Path) -> list[tuple[str, str]]:
    state = load_state(place)
    facts = [("made by", f"smoecast {state['smoecast']}")] if "smoecast" in state else []
    facts.append(("sha256 of the model", identity_of(state)))
    facts += [(f"sha256 of {name}", str(sum_)) for name, sum_ in state["sha256"].items()]
    if isinstance(state.get("config"), dict):
        facts += [("sha256 of the config", digest) for digest in _digest_config(state["config"])]
    data = state.get("data")
    if isinstance(data, Mapping) and data.get("identity"):
        facts.append(("sha256 of the training data", str(data["identity"])))
    return facts


def _find_commands(subject: Subject) -> dict[str, str]:
    """Return by name of a file the command that made it last, as records of runs say it."""
    found: dict[str, str] = {}
    try:
        runs = list_runs(subject.folder)["runs"]
    except InputError:
        return {}
    for record in runs:
        for entry in record["outputs"]:
            if entry.get("made") is True and isinstance(entry.get("path"), str):
                words = " ".join(map(str, record["command"]))
                found[Path(entry["path"]).name] = f"{words} ({record['end']})"
    return found


def _digest_config(values: dict[str, Any]) -> list[str]:
    """Return the digest of a config as YAML; none of what is no config, whoever wrote it."""
    try:
        check_plain(values)
    except ValueError:
        return []
    return [hashlib.sha256(dump_values(values).encode()).hexdigest()]


def as_list(value: Any) -> list[Any]:
    """Return what a file has as a list; nothing where it is none."""
    return value if isinstance(value, list) else []
