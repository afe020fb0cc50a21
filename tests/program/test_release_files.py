"""What a release is made of: the citation, the container, the package's own description."""

import re
import shlex
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_citation_names_the_software_and_the_paper() -> None:
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert said["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= said.keys()
    assert said["type"] == "software"
    assert said["license"] == PROJECT["project"]["license"]
    assert said["authors"] == [{"name": one["name"]} for one in PROJECT["project"]["authors"]]
    assert "version" not in said  # it would be one more place to keep
    paper = said["preferred-citation"]
    assert [one["family-names"] for one in paper["authors"]] == ["Dryden", "Hoefler"]
    assert (paper["title"], paper["year"]) == ("Spatial Mixture-of-Experts", 2022)
    assert "NeurIPS" in paper["collection-title"]
    assert paper["identifiers"][0]["value"] == "arXiv:2211.13491"


def stages() -> list[list[tuple[str, str]]]:
    """Return the instructions of the Containerfile, a list for each stage."""
    text = (ROOT / "Containerfile").read_text()
    found: list[list[tuple[str, str]]] = []
    for line in text.replace("\\\n", " ").splitlines():
        if not line or line.startswith("#"):
            continue
        word, rest = line.split(maxsplit=1)
        assert word in {"FROM", "ARG", "ENV", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT"}, line
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def test_the_container_is_made_of_all_that_the_package_is_made_of() -> None:
    """Without a builder: what is copied is there, and what is installed is what we have."""
    build, final = stages()
    assert build[0] == ("FROM", "python:3.11-slim AS build")
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    copied = {part for word, rest in build if word == "COPY" for part in rest.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    needed = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    roots = {*needed["packages"], *(path.split("/")[0] for path in needed["force-include"])}
    roots |= {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert roots | {"pyproject.toml", "constraints.txt"} == copied
    installs = [shlex.split(rest) for word, rest in build if word == "RUN" and " install " in rest]
    assert len(installs) == 2
    assert all(one[one.index("--constraint") + 1] == "/src/constraints.txt" for one in installs)
    (extras,) = re.findall(r"^/src\[([a-z,]+)\]$", installs[1][-1])
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])
    assert re.search(r"(?m)^torch==", (ROOT / "constraints.txt").read_text())
    assert ("ENV", "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu") in build
    assert final[0] == ("FROM", "python:3.11-slim")
    assert final[-1] == ("ENTRYPOINT", '["/opt/smoecast/bin/smoecast"]')
    assert [rest for word, rest in final if word == "USER"] == ["1000"]
    assert [rest for word, rest in final if word == "WORKDIR"] == ["/var/lib/smoecast"]


def test_the_container_has_the_version_of_a_tree_without_git_where_none_is_said() -> None:
    (said,) = [rest for word, rest in stages()[0] if word == "ARG"]
    assert said == f"VERSION={PROJECT['tool']['hatch']['version']['fallback-version']}"
    (used,) = [rest for word, rest in stages()[0] if "PRETEND" in rest]
    assert used.startswith("SETUPTOOLS_SCM_PRETEND_VERSION=$VERSION ")
