"""`make gpu`: everything that needs a GPU, in eight minutes, into one JSON and one table.

Each part has a budget of seconds; one that fails or runs over is noted, and the next one begins.
Nothing but Python is needed to begin. What the parts need is taken from the Python that runs this;
only what it lacks is installed, into a folder of its own, and PyTorch is never replaced.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 480
"""Seconds for all of it."""

NO_GPU = (
    "make gpu needs a GPU that PyTorch can use, and there is none here: run it where there is one, "
    "or name a Python that sees one with GPU_PYTHON=/path/to/python"
)
NEEDED = ("numpy", "xarray", "pydantic", "typer", "safetensors", "zarr", "netCDF4", "pytest")
FACTS = """
import json, platform, torch
device = torch.cuda.get_device_properties(0)
try:
    import triton
    kernels = triton.__version__
except ImportError:
    kernels = None
print(json.dumps({
    "device": device.name, "memory in GiB": round(device.total_memory / 2**30, 1),
    "capability": f"{device.major}.{device.minor}", "python": platform.python_version(),
    "torch": torch.__version__, "cuda": torch.version.cuda, "triton": kernels,
}))
"""


@dataclass(frozen=True)
class Part:
    """One thing to be proven.

    Attributes
    ----------
    name : str
        For people.
    command : sequence of str
        Arguments of Python; ``{folder}`` becomes a folder of the part's own.
    seconds : int
        Its budget.
    """

    name: str
    command: Sequence[str]
    seconds: int


def tests(path: str, *more: str) -> tuple[str, ...]:
    """Return the arguments of Python that run the CUDA tests of a file."""
    # the usual options need plugins that are not needed here
    usual = ("-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-m", "gpu")
    chosen = (*usual, "--junitxml", "{folder}/tests.xml")
    return ("-m", "pytest", "-q", *chosen, *more, f"tests/gpu/{path}")


BENCH = "from smoecast.cli.entry import main; main()"
PARTS = (
    Part("the layer: golden arrays, gradients", tests("test_layer.py", "-k", "not full_size"), 100),
    Part("training, resuming, nccl", tests("test_training.py", "-k", "not of_the_paper"), 100),
    Part("the paper's network", tests("test_training.py", "-k", "of_the_paper"), 70),
    Part("the layer at full size", tests("test_layer.py", "-k", "full_size"), 60),
    Part(
        "smoecast bench",
        ("-c", BENCH, "bench", "layer", "train", "--device", "cuda", "--markdown", "--output",
         "{folder}/bench.json"),
        140,
    ),
)  # fmt: skip


def prove(python: str, folder: Path, parts: Sequence[Part], limit: float = LIMIT) -> dict[str, Any]:
    """Do all parts in turn, within a limit of seconds; return what came of each."""
    end = time.monotonic() + limit
    found = []
    for number, part in enumerate(parts):
        place = folder / str(number)
        place.mkdir(parents=True)
        seconds = min(part.seconds, end - time.monotonic())
        print(f"{part.name} (at most {seconds:.0f} s)", flush=True)
        found.append(attempt(python, part, place, seconds))
        print(f"  {found[-1]['outcome']}, {found[-1]['seconds']} s", flush=True)
    return {"parts": found, "passed": all(one["outcome"] == "passed" for one in found)}


def attempt(python: str, part: Part, place: Path, seconds: float) -> dict[str, Any]:
    """Do one part; whatever it comes to is an outcome."""
    found: dict[str, Any] = {"name": part.name, "seconds": 0.0, "measured": {}}
    if seconds <= 0:
        return {**found, "outcome": "not begun: the time was up"}
    command = [python, *(word.replace("{folder}", str(place)) for word in part.command)]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    begun, output = time.monotonic(), place / "output.txt"
    with output.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(seconds)
            outcome = "passed" if code == 0 else f"failed with exit code {code}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own processes too
            process.wait()
            outcome = f"stopped after {seconds:.0f} s"
    found |= {"outcome": outcome, "seconds": round(time.monotonic() - begun, 1)}
    found |= {"measured": read_properties(place / "tests.xml")}
    if (place / "bench.json").exists():
        found["bench"] = json.loads((place / "bench.json").read_text())
    lines = output.read_text(errors="replace").splitlines()
    return {**found, "output": lines[-400:]}


def read_properties(report: Path) -> dict[str, float]:
    """Return what tests have measured, from their report."""
    if not report.exists():
        return {}
    found = ElementTree.parse(report).iter("property")
    return {one.attrib["name"]: float(one.attrib["value"]) for one in found}


def write_table(found: dict[str, Any]) -> str:
    """Return all of it for people, in Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    lines = [
        "# What a GPU has shown",
        "",
        facts,
        "",
        "| part | outcome | seconds |",
        "|---|---|---|",
    ]
    lines += [f"| {p['name']} | {p['outcome']} | {p['seconds']} |" for p in found["parts"]]
    measured = [item for part in found["parts"] for item in part["measured"].items()]
    if measured:
        lines += ["", "| measured | |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in measured]
    for part in found["parts"]:
        if "bench" in part:
            lines += ["", f"## {part['name']}", "", *part["output"]]
        elif part["outcome"] != "passed":
            lines += ["", f"## {part['name']}: {part['outcome']}", "", "```"]
            lines += [*part["output"][-40:], "```"]
    return "\n".join(lines) + "\n"


def ask(python: str, code: str) -> str | None:
    """Return what a Python prints, or None if it ends with an error."""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def complete(python: str) -> str:
    """Return a Python that has all that is needed: this one, or an environment above it."""
    if ask(python, "; ".join(f"import {name}" for name in NEEDED)) is not None:
        return python
    own = ROOT / ".venv-gpu"
    made = str(own / "bin" / "python")
    print(f"some packages are missing: they go to {own}", flush=True)
    subprocess.run([python, "-m", "venv", "--system-site-packages", str(own)], check=False)
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    kept = [line for line in pins if not line.startswith(("torch==", "triton=="))]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(kept))
        constraints.flush()
        install = ["-m", "pip", "install", "--quiet", "--constraint", constraints.name]
        subprocess.run([made, *install, "--editable", f"{ROOT}[test]"], check=False)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do all of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "gpu", help="folder of the report")
    output: Path = parser.parse_args(arguments).output
    python = sys.executable
    if ask(python, "import sys, torch; sys.exit(not torch.cuda.is_available())") is None:
        print(NO_GPU, file=sys.stderr)
        return 1
    python = complete(python)
    with tempfile.TemporaryDirectory() as folder:
        found = prove(python, Path(folder), PARTS)
    found = {"machine": json.loads(ask(python, FACTS) or "{}"), **found}
    output.mkdir(parents=True, exist_ok=True)
    (output / "gpu.json").write_text(json.dumps(found, indent=1))
    (output / "gpu.md").write_text(write_table(found))
    print(f"written: {output / 'gpu.json'} and {output / 'gpu.md'}")
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
