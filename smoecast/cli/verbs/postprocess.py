"""`smoecast postprocess`: calibrate an ensemble."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import options, waiting
from smoecast.cli.run import imports, read_config, run, say_output, say_shape
from smoecast.console import volume
from smoecast.text_table import table


def postprocess(
    config: options.Config,
    set_: options.Set = None,
    model: options.Model = None,
    input_: options.Input = None,
    write: options.Write = None,
    any_lead: options.AnyLead = False,
    format_: options.CalibratedFormat = None,
    layout: options.Layout = None,
    output: options.Output = None,
    verify: options.Verify = False,
    wait: options.Wait = None,
    max_age: options.MaxAge = None,
    keep: options.Keep = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what fitting will take; fit nothing.")
    ] = False,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Calibrate an ensemble: fit where nothing is fitted yet, then apply.

    Without --input the test part of the ensemble store is calibrated. Writes CF NetCDF, or GRIB 2
    with --format grib.
    """

    def task() -> dict[str, Any]:
        given = [f"postprocess.write={json.dumps(write.split(','))}"] if write else []
        given += ["postprocess.any_lead=true"] if any_lead else []
        given += [f"postprocess.format={format_}"] if format_ else []
        given += [f"postprocess.layout={layout}"] if layout else []
        wanted = read_config(
            config, [*(set_ or []), *given, *options.say_compute(workers, scheduler)]
        )
        if dry_run:
            from smoecast.tasks.postprocess.cost import plan

            return plan(wanted)
        with imports():
            from smoecast.tasks.postprocess.postprocess import postprocess as work

        return work(
            wanted,
            model=_locate(model),
            inputs=input_ or (),
            output=Path(output) if output else None,
            verify=verify,
            oldest=waiting.oldest(max_age),
            keep=waiting.parse_keep(keep),
        )

    def show(s: dict[str, Any]) -> str:
        return _say_cost(s) if dry_run else "\n".join([say_output(s), *_say_record(s)])

    run(
        lambda: waiting.wait_for_input(task, wait, time.sleep),
        show,
        verb="postprocess",
        record=not dry_run,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
        metrics=metrics,
    )


def _locate(model: str | None) -> Path | None:
    from smoecast import zoo

    return zoo.locate(model) if model else None


def _say_record(s: dict[str, Any]) -> list[str]:
    """Return the table of what the coefficients rest on, lead times of one row alike."""
    if not s["written"] or not s["fitted_to"]:
        return []
    rows: dict[tuple[str, ...], list[str]] = {}
    for r in s["fitted_to"]:
        numbers = (r["coefficients"], r["starts"], f"{r['cases']:g}", f"{r['share']:g}")
        rows.setdefault((r["channel"], *map(str, numbers)), []).append(str(r["lead_hours"]))
    cells = [[channel, ", ".join(hours), *more] for (channel, *more), hours in rows.items()]
    return [table(["channel", "h", "coefficients", "starts", "cases", "fit kept"], cells)]


def _say_cost(s: dict[str, Any]) -> str:
    """Return what fitting a calibration will take."""
    basis = "there" if s["there"] else "not made yet; from the config"
    lines = [
        f"postprocess: method {s['method']}, protocol {s['protocol']}",
        f"  {s['store']} ({basis})\n  {say_shape(s)}, {volume(s['bytes'])}",
        f"  {s['samples']:,} samples to fit to{'' if s['there'] else ' at most'}, "
        f"about {volume(s['memory'])} of memory for the fit, and the truth beside it",
    ]
    if "parameters" in s:
        lines += [
            f"  {s['parameters']:,} parameters, {s['multiply_adds'] / 1e9:.1f} thousand million "
            "multiply-adds a sample",
            f"  {volume(s['batch_bytes'])} of inputs a batch",
            f"  at least {s['seconds_per_sample']:.3g} s a sample on this CPU: {s['hours']:.3g} h "
            f"for {s['epochs']} epochs",
        ]
    return "\n".join(lines)
