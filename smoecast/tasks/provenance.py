"""What every result says of itself, whether it is there already, and its config beside it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask

from smoecast import __version__, console
from smoecast.config import yaml_file
from smoecast.config.data import Data
from smoecast.config.forecast import Forecast
from smoecast.config.postprocess import Postprocess
from smoecast.config.run import Config
from smoecast.disk.atomic import refuse_special, write_atomic
from smoecast.disk.locks import lock_output
from smoecast.errors import InputError, OutputError
from smoecast.fields import checksums
from smoecast.fields.canonical.canonical import KEPT_ATTRIBUTES
from smoecast.fields.read.results import read_attributes
from smoecast.fields.write.blocks import check_place
from smoecast.run_record import stage

REFERENCES = (
    "Dryden and Hoefler (2022), Spatial Mixture-of-Experts, NeurIPS, "
    "https://doi.org/10.48550/arXiv.2211.13491"
)
IDENTITY = "smoecast_identity"
CONFIG = "smoecast_config"
"""Attribute: the resolved config, JSON; `config_sha256` is that of the same as YAML."""
INPUTS = "inputs_manifest"
ARGUMENTS = "smoecast_arguments"
"""Attribute: what was said beside the config, JSON."""
_BESIDE = ("source", "references", "license")
"""Of these both ours and the input's are said."""


def check_output(path: Path, *, folder: bool = False) -> None:
    """Refuse, before anything is computed, a name that a result or its config cannot have.

    Raises
    ------
    OutputError
        See `fields.write.blocks.check_place`.
    """
    check_place(path, folder=folder)
    refuse_special(config_beside(path))


def _reading_of(section: Data | Postprocess, name: str) -> dict[str, Any]:
    """Return what decides how files are read; nothing where it is as they say."""
    read = section.model_dump(mode="json", include={"select", "assume"})
    return {f"{name} read": read} if read else {}


def attributes(
    config: Config, verb: str, model_sha256: str, inputs: Any, made_from: dict[str, Any]
) -> dict[str, Any]:
    """Return the global attributes of a result.

    Parameters
    ----------
    config : Config
        Resolved; its `forecast` section names the institution and the licence.
    verb : str
        The command that makes the result.
    model_sha256 : str
        Of the model's state and tensors, or a word where there is no model.
    inputs : JSON value
        Manifest of the inputs: file, bytes, sha256.
    made_from : dict
        Everything that decides the content; its sha256 is the identity of the result.
    """
    said = config.forecast.model_dump(mode="json", include={"title", "institution", "license"})
    decisive = {**made_from, **said, "inputs": inputs, "model": model_sha256}
    decisive |= _reading_of(config.data, "data") | _reading_of(config.postprocess, "postprocess")
    text = json.dumps(decisive, sort_keys=True)
    digest, whole = _spell(config)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "title": config.forecast.title,
        "institution": config.forecast.institution,
        "source": f"smoecast {__version__}, Spatial Mixture-of-Experts, run {config.name}",
        "history": f"{now} smoecast {verb}",
        "references": REFERENCES,
        "license": config.forecast.license,
        "model_sha256": model_sha256,
        "config_sha256": digest,
        INPUTS: json.dumps(inputs),
        "seed": config.seed,
        CONFIG: whole,
        IDENTITY: hashlib.sha256(text.encode()).hexdigest(),
    }


def config_sha256(config: Config) -> str:
    """Return the sha256 of a config as YAML, but for what changes no result."""
    return _spell(config)[0]


def _spell(config: Config) -> tuple[str, str]:
    """Return the sha256 of a config, and itself as JSON, but for what changes no result."""
    said = compact(config.in_one_process().model_dump(mode="json"))
    return hashlib.sha256(_as_yaml(said).encode()).hexdigest(), said


@lru_cache(maxsize=8)
def _as_yaml(said: str) -> str:
    """Return a config that stands in JSON as YAML, which takes longer than a small forecast."""
    return yaml_file.dump_values(json.loads(said))


def arguments(**given: object) -> dict[str, str]:
    """Return the attribute that says what a verb was given beside its config."""
    return {ARGUMENTS: compact(given)}


def resolve_arguments(config: Config, section: str, **given: Sequence[object]) -> Config:
    """Return a config in which what was given beside it stands in the keys that it overrides."""
    said = {key: tuple(map(str, values)) for key, values in given.items() if values}
    changed = getattr(config, section).model_copy(update=said)
    return config.model_copy(update={section: changed})


def compact(value: object) -> str:
    """Return JSON for an attribute; a path becomes its name."""
    return json.dumps(value, separators=(",", ":"), default=str)


def with_lineage(
    described: dict[str, Any], inherited: Mapping[str, Any], word: str
) -> dict[str, Any]:
    """Return the global attributes of a result that also say what its input said of itself.

    Parameters
    ----------
    described : dict
        From `attributes`.
    inherited : mapping
        Attributes of the input; what it does not say is left alone. Its history comes first, its
        source, references and licence beside ours; its title and institution stand where the
        config has none.
    word : str
        What was done to it, for the title.
    """
    theirs = {k: str(v) for k, v in inherited.items() if k in KEPT_ATTRIBUTES and str(v).strip()}
    plain = Forecast()
    if "title" in theirs and described["title"] == plain.title:
        described = {**described, "title": f"{theirs['title']}, {word}"}
    if "institution" in theirs and described["institution"] == plain.institution:
        described = {**described, "institution": theirs["institution"]}
    joined = {key: f"{described[key]}; input: {theirs[key]}" for key in _BESIDE if key in theirs}
    if "license" in theirs and described["license"] == plain.license:
        joined["license"] = theirs["license"]
    if "history" in theirs:
        joined["history"] = f"{theirs['history']}\n{described['history']}"
    return {**described, **joined, **{k: theirs[k] for k in ("comment",) if k in theirs}}


def is_there(path: Path, wanted: dict[str, Any], *, whole: bool = False) -> bool:
    """Tell whether a result of the same identity is there, as it was written.

    One that is damaged, that was changed, or that carries no checksums is not: this is said, for it
    will be made again.

    Parameters
    ----------
    path : Path
        The result.
    wanted : dict
        From `attributes`.
    whole : bool
        Whether every byte is held against its checksum; else samples of a large result are.
    """
    if not path.exists():
        return False
    try:
        checksums.check(path, whole=whole)
    except (InputError, OutputError) as problem:
        console.say(str(problem).removesuffix(": make it again") + "; it is made again")
        return False
    return bool(read_attributes(path).get(IDENTITY) == wanted[IDENTITY])


def make_result(
    path: Path, described: dict[str, Any], *, verify: bool, write: Callable[[], None] | None
) -> bool:
    """Make a result under its lock unless it is there, and put its config beside it.

    Parameters
    ----------
    path : Path
    described : dict
        From `attributes`.
    verify : bool
        Whether a result that is there is read wholly before it counts as made.
    write : callable, optional
        Writes it; None: it is only looked whether it is there.

    Returns
    -------
    bool
        Whether it was not there.

    Raises
    ------
    LockedError
        Another run makes it.
    SmoecastError
        What `write` raises.
    """
    # in this thread: netCDF-C is not asked from several, and dask looks for no cluster
    with lock_output(path), dask.config.set(scheduler="synchronous"):
        missing = not is_there(path, described, whole=verify)
        if missing and write is None:
            return True
        if missing and write is not None:
            with stage("write"):
                write()
        save_config(path, described if missing else None)
    return missing


def inputs_of(path: Path) -> list[dict[str, Any]]:
    """Return the manifest of what a result says that it was made from."""
    found: list[dict[str, Any]] = json.loads(read_attributes(path)[INPUTS])
    return found


def config_beside(result: Path) -> Path:
    """Return where the config of a result stands: ``forecast.nc`` has ``forecast.config.yaml``."""
    return result.with_suffix(".config.yaml")


def save_config(result: Path, described: Mapping[str, Any] | None = None) -> None:
    """Put the config that a result holds beside it, where that is missing or another.

    Parameters
    ----------
    result : Path
    described : mapping, optional
        Its attributes, where it was written just now.

    Raises
    ------
    OutputError
        Something that is no regular file has the name.
    OSError
        The disk is full or refuses.
    """
    text = _as_yaml((described or read_attributes(result))[CONFIG]).encode()
    beside = config_beside(result)
    if not beside.is_file() or beside.read_bytes() != text:
        write_atomic(beside, text)
