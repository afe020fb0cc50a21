"""The shape of the package: rooms, files, names. `python tests/test_house.py` counts all of it."""

import ast
import functools
import io
import re
import sys
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "smoecast"
TESTS = Path(__file__).parent
OUTSIDE = {"helpers", "benchmarks", "program", "docs", "gpu"}
"""Folders of tests that mirror nothing: what tests share, what is timed, the program as a whole,
the documents, what runs on a GPU."""
NOUNS = {
    "mapping",
    "packing",
    "reading",
    "padding",
    "routing",
    "training",
    "spacing",
    "setting",
    "seed",
    "speed",
    "need",
}
IRREGULAR = {"made", "built", "drawn", "kept", "known", "found", "held", "taken", "given", "chosen"}


def modules(package: Path = PACKAGE) -> list[Path]:
    """Return the modules of the package, without the `__init__` of its folders."""
    return [path for path in sorted(package.rglob("*.py")) if path.name != "__init__.py"]


def is_participle(name: str) -> bool:
    """Whether a function is called by what was done, or is being done, and not by a verb."""
    first, *_ = name.strip("_").split("_")
    return first not in NOUNS and (
        first in IRREGULAR or (first.endswith(("ed", "ing")) and len(first) > 4)
    )


def code_lines(path: Path) -> int:
    """Return the lines that hold more than docstrings, comments and blanks."""
    text = path.read_text()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    quiet: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        for inner in getattr(node, "body", []) if isinstance(node, documented) else []:
            if isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant):
                quiet.update(range(inner.lineno, (inner.end_lineno or 0) + 1))
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = {
        number
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in silent | {tokenize.ENDMARKER}
        for number in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - quiet)


@functools.cache
def functions_of(package: Path = PACKAGE) -> dict[str, int]:
    """Return what of it is about functions."""
    functions = [
        node
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    whole = [
        f
        for f in functions
        if any(a.annotation and ast.unparse(a.annotation) == "Config" for a in f.args.args)
    ]
    return {
        "functions": len(functions),
        "functions that take Config": len(whole),
        "participle names": sum(is_participle(f.name) for f in functions),
    }


def counts(package: Path = PACKAGE) -> dict[str, int]:
    """Return what decision 23 compares."""
    return {
        "modules": len(modules(package)),
        "lines of code without docstrings and comments": sum(map(code_lines, modules(package))),
        "files over 200 lines": sum(
            len(p.read_text().splitlines()) > 200 for p in modules(package)
        ),
        **functions_of(package),
        "most modules in a folder": max(len(modules_in(f)) for f in folders(package)),
    }


def folders(package: Path = PACKAGE) -> list[Path]:
    """Return the package and the folders in it."""
    return [package, *(p for p in sorted(package.rglob("*")) if (p / "__init__.py").exists())]


def modules_in(folder: Path) -> list[Path]:
    """Return the modules right in a folder."""
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("folder", folders(), ids=lambda p: str(p.relative_to(PACKAGE.parent)))
def test_a_folder_has_few_rooms(folder: Path) -> None:
    assert len(modules_in(folder)) <= 14


def test_no_file_is_longer_than_its_thought() -> None:
    assert not [path for path in modules() if len(path.read_text().splitlines()) > 300]


def test_functions_say_what_they_do() -> None:
    assert functions_of()["participle names"] <= 10


def test_few_functions_take_the_whole_config() -> None:
    assert functions_of()["functions that take Config"] <= 40


def test_tests_mirror_the_package() -> None:
    strangers = []
    for path in TESTS.rglob("test_*.py"):
        folder = path.parent.relative_to(TESTS)
        if OUTSIDE & {*folder.parts} or path == Path(__file__):
            continue
        names = [m.stem for m in modules_in(PACKAGE / folder)]
        if not any(f"{path.stem}_".startswith(f"test_{name}_") for name in names):
            strangers.append(str(path.relative_to(TESTS)))
    assert not strangers


def test_every_finding_that_is_accepted_has_a_reason() -> None:
    """`make audit` is silent about a line with `nosec`: the decision says why."""
    decision = (PACKAGE.parent / "docs" / "decisions" / "0032-audit.md").read_text()
    rows = [line for line in decision.splitlines() if line.startswith("| B")]
    accepted = set()
    for path in modules():
        for line in path.read_text().splitlines():
            if "# nosec" in line:
                accepted.add(
                    (re.findall(r"# nosec (B\d+)$", line)[0], str(path.relative_to(PACKAGE.parent)))
                )
    told = {
        (rule, re.findall(r"`(smoecast/[^`]+)`", row)[0])
        for row in rows
        for rule in re.findall(r"B\d+", row.split("|")[1])
    }
    assert accepted == told


if __name__ == "__main__":
    for what, count in counts(*map(Path, sys.argv[1:])).items():
        print(f"{count:8,} {what}")
