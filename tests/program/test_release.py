"""A wheel and an sdist, built, checked, and used where there is nothing else of smoecast."""

import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ALONE = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
LINKS = """
import re
from pathlib import Path
from smoecast import zoo
assert "site-packages" in str(zoo.folder())
names = [*zoo.names(), *zoo.experiments()]
cards = "".join(zoo.show_model(zoo.locate(name))["card"] for name in names)
links = re.findall(r"[]][(]([^():#]+)(?:#[^()]*)?[)]", cards)
assert links
assert all(Path(link).is_absolute() and Path(link).is_file() for link in links), links
"""
Run = Callable[..., str]

pytestmark = pytest.mark.slow


def call(*words: str | Path, folder: Path = ROOT) -> str:
    """Run a program; return what it printed."""
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env=ALONE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def make_environment(folder: Path, *wanted: str) -> Path:
    """Return the programs of a new environment in which these are installed, and what they need."""
    call(sys.executable, "-m", "venv", folder)
    pinned = ("--constraint", ROOT / "constraints.txt")
    call(folder / "bin/pip", "install", "--quiet", *pinned, *wanted)
    return folder / "bin"


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = extras["optional-dependencies"]["release"]
    return make_environment(tmp_path_factory.mktemp("tools") / "venv", *wanted)


@pytest.fixture(scope="module")
def built(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("dist")
    call(tools / "python", "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def user(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of somebody who has the wheel and nothing else."""
    (wheel,) = built.glob("*.whl")
    return make_environment(tmp_path_factory.mktemp("user") / "venv", f"{wheel}[plot]")


@pytest.fixture
def run(user: Path, tmp_path: Path) -> Run:
    """Calls one of these programs in an empty folder."""
    return lambda name, *words: call(user / name, *words, folder=tmp_path)


def test_an_index_would_take_them(tools: Path, built: Path) -> None:
    said = call(tools / "twine", "check", "--strict", *built.iterdir())
    assert said.count("PASSED") == 2


def test_the_sdist_has_every_file_that_git_has(built: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout of git")
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {*call("git", "ls-files").splitlines()} <= packed


def test_it_knows_its_version(run: Run, built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    version = wheel.name.split("-")[1]
    assert run("smoecast", "--version") == f"smoecast {version}\n"
    assert run("python", "-c", "import smoecast; print(smoecast.__version__)") == f"{version}\n"


def test_it_lists_and_checks_its_models(run: Run) -> None:
    assert "Exit codes" in run("smoecast", "--help")
    listed = run("smoecast", "models", "list")
    assert "ncep-air-6h" in listed
    assert "heat-diffusion" in listed
    assert "whole and right" in run("smoecast", "models", "verify", "ncep-air-6h")
    run("python", "-c", LINKS)


def test_the_first_forecast_of_the_readme(run: Run, tmp_path: Path) -> None:
    shell = re.search(r"```sh\n(smoecast models.*?)```", README, re.DOTALL)
    python = re.search(r"```python\n(import smoecast\n.*?)```", README, re.DOTALL)
    assert shell
    assert python
    for line in shell[1].splitlines():
        run(*shlex.split(line))
    assert (tmp_path / "fc.png").stat().st_size > 50_000
    assert (tmp_path / "routing/routing_layer2.png").stat().st_size > 50_000
    assert len(re.findall(r"-?\d+\.\d+", run("python", "-c", python[1]))) == 2


def test_the_demo(run: Run, tmp_path: Path) -> None:
    assert "simulated planet, no real weather" in run("smoecast", "demo", "--folder", "demo")
    assert (tmp_path / "demo/planet-demo/calibrated.nc").is_file()
    assert (tmp_path / "demo/planet-demo/report.html").stat().st_size > 100_000
