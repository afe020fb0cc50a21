"""The outputs in docs/inspect.md. `python tests/benchmarks/inspect_page.py ../shared/data`."""

import os
import re
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "inspect.md"
FIRST = "ecmwf-zt/test4_zt_1deg_20070101.grib"
FILES = (
    "era5-uk",
    "era5-finse",
    "era5-members",
    "era5-tl31",
    "ecmwf-ens",
    "ncep-air",
    "ncep-iberia",
    "mogreps-uk/history",
    "mogreps-uk/truth",
    "mogreps-uk/forecast",
    "mogreps-uk/landmask.nc",
    "hostile",
)
"""Of the folder of real files; each is one command."""
MOST = 4
"""Lines of a list that are shown."""


def main(data: Path) -> None:
    """Write the outputs into the page."""
    os.environ["COLUMNS"] = "80"
    page = PAGE.read_text()
    with chdir(data):
        page = fill(page, "first", output(FIRST))
        blocks = [output(name) for name in FILES]
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        make_run()
        blocks += [output(f"runs/small/{name}") for name in ("ensemble.zarr", "calibrated.nc")]
    PAGE.write_text(fill(page, "outputs", "\n\n".join(blocks)))


def fill(page: str, part: str, text: str) -> str:
    """Return the page with other text in one of its parts."""
    marked = re.compile(rf"(<!-- {part} -->\n).*?(<!-- end -->)", re.DOTALL)
    return marked.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def output(name: str) -> str:
    """Return what `smoecast inspect` says of a file, as the page shows it."""
    from smoecast.tasks.inspect.inspect import inspect
    from smoecast.tasks.inspect.tables import show

    text = shorten(show(inspect([name]), 80))
    return f"```\n$ smoecast inspect {name}\n{text}\n```"


def shorten(text: str) -> str:
    """Return text in which long lists are cut."""
    lines: list[str] = []
    wrapped = 0
    for line in text.splitlines():
        wrapped = wrapped + 1 if re.match(" {6}\\S", line) else 0
        if wrapped < MOST:
            lines.append(line)
        elif wrapped == MOST:
            lines.append("      ...")
    return "\n".join(lines)


def make_run() -> None:
    """Make a small run here, with a store and a result."""
    sys.path.insert(0, str(TESTS / "helpers"))
    from small_world import small_run, write_world

    from smoecast.tasks.postprocess.postprocess import postprocess
    from smoecast.tasks.preprocess.preprocess import preprocess

    wanted = ["members", "mean", "std", "probabilities=t2m>280"]
    run = small_run(write_world(Path()), Path("runs"), f"postprocess.write={wanted}")
    emos = run.postprocess.model_copy(update={"method": "emos"})
    run = run.model_copy(update={"postprocess": emos})
    preprocess(run)
    postprocess(run)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
