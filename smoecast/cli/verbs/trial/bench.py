"""`smoecast bench`: how fast smoecast is on this machine, beside its peers."""

from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import run


def bench(
    cases: Annotated[
        list[str] | None,
        typer.Argument(
            help="What is measured: layer, train, forecast, preprocess, regrid, grib, crps, emos, "
            "calibrate, download; default: all.",
            metavar="CASE",
            autocompletion=completion.benchmarks,
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", min=1, help="How often each task is done; default: as it needs."),
    ] = None,
    threads: Annotated[
        int,
        typer.Option(
            "--threads",
            min=0,
            help="Of every process that is measured; 0: as many as each takes by itself.",
        ),
    ] = 1,
    device: Annotated[
        str,
        typer.Option(
            "--device",
            help="What networks run on; auto is a GPU where there is one.",
            metavar="auto|cpu|cuda",
        ),
    ] = "auto",
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            help="What networks compute in; auto is float32 on a CPU and bfloat16 on a GPU.",
            metavar="auto|float32|bfloat16|float16",
        ),
    ] = "auto",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Tiny data: to see that all of it works, not to measure."),
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="File for every measured time, as JSON.", metavar="FILE.json"
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table in Markdown.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    debug: options.Debug = False,
) -> None:
    """Measure how fast smoecast is on this machine, beside the tools one would take instead.

    Everything is a ratio: smoecast and its peers do the same work in turn, round after round, on
    data that is made for it and removed afterwards. Peers that are not installed are named as not
    measured; `pip install 'smoecast[bench]'` brings those of Python.
    """

    def task() -> dict[str, Any]:
        from smoecast.disk.atomic import resolve
        from smoecast.tasks.bench.bench import bench as work

        return work(
            cases or (),
            rounds=rounds,
            threads=threads,
            quick=quick,
            device=device,
            dtype=dtype,
            output=resolve(output) if output else None,
        )

    def show(summary: dict[str, Any]) -> str:
        from smoecast.tasks.bench.measuring.tables import show as tables

        return tables(summary, markdown=markdown)

    run(
        task,
        show,
        verb="bench",
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
    )
