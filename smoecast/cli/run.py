"""Around every verb: read the config, call one task, print, end with the right exit code."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from smoecast import console
from smoecast.cli import boundary
from smoecast.errors import ConfigError

if TYPE_CHECKING:
    from smoecast.config.run import Config


def read_config(name_or_path: str, overrides: Sequence[str] | None) -> "Config":
    """Load a config from a file or from the zoo, with overrides."""
    from smoecast import run_record, zoo

    with imports():
        from smoecast.config import yaml_file
    with run_record.stage("config"):
        return _note(yaml_file.load(zoo.locate(name_or_path, zoo.CONFIG), overrides or ()))


def read_config_of_model(name_or_path: str, overrides: Sequence[str]) -> "Config":
    """Load the config under which a forecast model forecasts from files, with overrides."""
    from smoecast import run_record, zoo

    with imports():
        from smoecast.tasks.forecast.trained_keys import config_of_model
    with run_record.stage("config"):
        return _note(config_of_model(zoo.locate(name_or_path), overrides))


def _note(config: "Config") -> "Config":
    """Have the record of the run say what config it has; return it."""
    from smoecast import run_record
    from smoecast.config import yaml_file

    digest = hashlib.sha256(yaml_file.dump(config).encode()).hexdigest()
    run_record.note(run=config.name, config_sha256=digest, seed=config.seed)
    return config


def imports() -> AbstractContextManager[None]:
    """Count the seconds of the block as the stage in which modules are loaded."""
    from smoecast import run_record

    return run_record.stage("imports")


def require_config(config: str | None) -> str:
    """Return the config that an option left open; ConfigError where none was given."""
    if config is None:
        raise ConfigError("no config was named: give --config FILE|NAME")
    return config


def run(
    task: Callable[[], dict[str, Any]],
    show: Callable[[dict[str, Any]], str],
    *,
    verb: str = "",
    record: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    debug: bool = False,
    log_json: bool = False,
    metrics: str | None = None,
) -> None:
    """Call a task, print its summary for a person or a machine, and exit.

    Whatever fails is one sentence on stderr and an exit code (`boundary.guard`); with `debug` the
    traceback stands before it.

    Parameters
    ----------
    task : callable
        Returns the summary; JSON values.
    show : callable
        The summary for a person.
    verb : str
        What was typed.
    record : bool
        Whether the run gets a record (`smoecast.run_record`).
    as_json : bool
        The summary as JSON in its place, and the path of the record; where it failed, the exit
        code, the error and all that the record says.
    quiet : bool
        Nothing but errors, and what `as_json` asks for.
    log_json : bool
        Lines on stderr as JSON.
    metrics : str, optional
        File for Prometheus (`smoecast.cli.metrics`), of a run that gets a record.
    """
    console.configure(quiet=quiet, log_json=log_json, verb=verb)
    recorded = _begin(verb) if record else None

    def end(code: int, sentence: str) -> str | None:
        """Write the record and the metrics, once each; return where the record stands."""
        said = recorded.finish(code, sentence) if recorded else {"verb": verb}
        if metrics and recorded and not console.is_mute():
            from smoecast.cli import metrics as prometheus

            prometheus.write(metrics, said)
        if code and as_json:
            say_failure(code, sentence, said)
        return said.get("record")

    boundary.configure(debug=debug, close=end)
    with boundary.guard():
        summary = task()
        text = "" if as_json else show(summary)
        with boundary.finish():
            path = end(0, "")
        if as_json:
            place = {"record": path} if record else {}
            text = json.dumps({**summary, **place}, default=str)
    if as_json or not quiet:
        boundary.show(text)


def say_failure(code: int, sentence: str, record: Mapping[str, Any] | None = None) -> None:
    """Print on stdout, as JSON, how a run failed, and what its record says."""
    said = {"exit_code": code, "error": sentence, "record": None}
    try:
        console.result(json.dumps({**said, **(record or {})}, default=str))
    except OSError:
        console.drop(1)  # the exit code and stderr have said it


def _begin(verb: str) -> ModuleType:
    from smoecast import run_record

    run_record.begin(verb, since_start=boundary.is_whole_process())
    return run_record


def say_output(s: dict[str, Any]) -> str:
    """Return what was written, or that it was there."""
    if not s["written"]:
        return f"{s['output']}: made before from the same model, config and input, nothing to do"
    several = len(s["outputs"])
    here = f"{s['output']}" + (f" ({s['made']} of {several} made)" if several > 1 else "")
    span = f"{s['starts']} starts, {s['first']} to {s['last']}"
    return f"{here}: {span if s['starts'] > 1 else s['first']}, {s['what']}"


def say_shape(part: dict[str, Any]) -> str:
    """Return the size of each dimension of a store."""
    return " x ".join(f"{count} {dim}" for dim, count in part["shape"].items())
