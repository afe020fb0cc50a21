"""The tools that smoecast is set beside: which of them are here, and in what version."""

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterable
from importlib import metadata
from typing import Any

PEERS = {
    "cdo": ["cdo", "--version"],
    "curl": ["curl", "--version"],
    "aria2": ["aria2c", "--version"],
    "g++": ["g++", "--version"],
    "scipy": [],
    "xarray-regrid": [],
    "cfgrib": [],
    "earthkit-data": [],
    "scoringrules": [],
    "xskillscore": [],
}
"""How a program is asked for its version; nothing: it is a package of Python."""


def is_installed(name: str) -> bool:
    """Whether a peer is here."""
    return bool(version_of(name))


def version_of(name: str) -> str:
    """Return the version of a peer; empty where it is not installed."""
    command = PEERS[name]
    if not command:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return ""
    if shutil.which(command[0]) is None:
        return ""
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "unknown"


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of the peers that are here."""
    found = {name: version_of(name) for name in sorted({*names} - {""})}
    return {name: version for name, version in found.items() if version}


def load(module: str) -> Any:
    """Import a module of a peer, which need not be installed for anything else."""
    return importlib.import_module(module)
