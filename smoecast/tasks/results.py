"""What every result file says of itself, and whether it is there already."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smoecast import __version__, configfile
from smoecast.config import Config, Forecast
from smoecast.disk import write_atomic
from smoecast.fields.canonical import KEPT_ATTRIBUTES
from smoecast.fields.results import read_attributes

REFERENCES = (
    "Dryden and Hoefler (2022), Spatial Mixture-of-Experts, NeurIPS, "
    "https://doi.org/10.48550/arXiv.2211.13491"
)
IDENTITY = "smoecast_identity"
_BESIDE = ("source", "references", "license")
"""Of these both ours and the input's are said."""


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
        Of the model's tensors, or a word where there is no model.
    inputs : JSON value
        Manifest of the inputs: file, bytes, sha256.
    made_from : dict
        Everything that decides the content; its sha256 is the identity of the result.
    """
    said = config.forecast.model_dump(mode="json", include={"title", "institution", "license"})
    decisive = {**made_from, **said, "inputs": inputs, "model": model_sha256}
    text = json.dumps(decisive, sort_keys=True)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "title": config.forecast.title,
        "institution": config.forecast.institution,
        "source": f"smoecast {__version__}, Spatial Mixture-of-Experts, run {config.name}",
        "history": f"{now} smoecast {verb}",
        "references": REFERENCES,
        "license": config.forecast.license,
        "model_sha256": model_sha256,
        "config_sha256": hashlib.sha256(configfile.dump(config).encode()).hexdigest(),
        "inputs_manifest": json.dumps(inputs),
        "seed": config.seed,
        IDENTITY: hashlib.sha256(text.encode()).hexdigest(),
    }


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


def is_there(path: Path, wanted: dict[str, Any]) -> bool:
    """Tell whether a result of the same identity is there."""
    return path.exists() and read_attributes(path).get(IDENTITY) == wanted[IDENTITY]


def save_config(config: Config, result: Path) -> None:
    """Put the resolved config beside a result: ``forecast.nc`` has ``forecast.config.yaml``."""
    write_atomic(result.with_suffix(".config.yaml"), configfile.dump(config).encode())
