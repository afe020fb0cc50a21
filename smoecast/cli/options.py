"""Options that several verbs share, described once."""

from typing import Annotated

import typer

from smoecast.cli import completion

Config = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        help="A YAML file, or the name of a model in the zoo (`smoecast models list`).",
        autocompletion=completion.models,
        metavar="FILE|NAME",
    ),
]
OptionalConfig = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        help="A YAML file, or the name of a model in the zoo (`smoecast models list`).",
        autocompletion=completion.models,
        metavar="FILE|NAME",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        help="Override one key of the config; may be given again.",
        autocompletion=completion.keys,
        metavar="SECTION.KEY=VALUE",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON summary on stdout instead, also of a run that fails: exit_code and "
        "error.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but errors, and what --json asks for."),
]
LogJson = Annotated[
    bool,
    typer.Option(
        "--log-json",
        help="Each line on stderr is a JSON object: time, level, verb, message. Without it, lines "
        "that go to no terminal begin with the time in UTC.",
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        help="Write how the run went, also if it fails, for Prometheus (textfile collector of "
        "node_exporter): a file of its own for each verb and run.",
        metavar="FILE.prom",
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error too; so does SMOECAST_DEBUG=1."),
]
Input = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", help="Files, folders or globs; may be given again.", metavar="FILE|FOLDER"
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="File to write, one a start where {init_time:%Y%m%d%H} is in its name; default: in "
        "the run's folder.",
    ),
]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait",
        help="Look again, for so long, for input that is not there yet; then end with 4.",
        metavar="2h",
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        help="End with 4 where the newest analysis, or ensemble, is older; a forecast looks where "
        "its start is latest.",
        metavar="12h",
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(
        "--keep",
        help="Afterwards remove what smoecast made here whose start is so much older than the "
        "newest: results of the same pattern, records of runs.",
        metavar="30d",
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Hold every byte of a result that is there against its checksums, and not samples "
        "of a large one, before it counts as made.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="netcdf (CF), wb2, a WeatherBench 2 store (wb2-v3: Zarr v3 in shards), or grib, "
        "GRIB 2; default: forecast.format.",
        metavar="netcdf|wb2|wb2-v3|grib",
        autocompletion=completion.formats,
    ),
]
CalibratedFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="netcdf (CF) or grib, GRIB 2; default: postprocess.format.",
        metavar="netcdf|grib",
        autocompletion=completion.formats_of_ensembles,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="Of NetCDF: default, or cdo: along the time at which fields hold, a file a start, "
        "which CDO and other tools of four dimensions read; default: that of the config.",
        metavar="default|cdo",
        autocompletion=completion.layouts,
    ),
]
Write = Annotated[
    str | None,
    typer.Option(
        "--write",
        help="What the file holds: members, mean, std, quantiles=0.1:0.5:0.9, "
        "probabilities=t2m>273.15, apart with commas; default: postprocess.write.",
        metavar="WHAT,...",
        autocompletion=completion.parts_of_ensembles,
    ),
]
AnyLead = Annotated[
    bool,
    typer.Option(
        "--any-lead",
        help="Calibrate every lead time of the input, those it was not fitted for as the nearest.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A run folder, or the name of a model in the zoo; default: the run's own.",
        metavar="FOLDER|NAME",
        autocompletion=completion.models,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="A run folder, or the name of a model in the zoo; given again, each is a member of an "
        "ensemble. Default: forecast.models, or the run's own.",
        metavar="FOLDER|NAME",
        autocompletion=completion.models,
    ),
]

# in which processes, for every verb that spreads its work
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes on this machine; default: compute.workers."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="A Dask cluster in their place; default: compute.scheduler.",
        metavar="tcp://...",
    ),
]


def say_compute(workers: int | None, scheduler: str | None) -> list[str]:
    """Return what was given of these two as overrides of the config."""
    given = {"workers": workers, "scheduler": scheduler}
    return [f"compute.{key}={value}" for key, value in given.items() if value is not None]
