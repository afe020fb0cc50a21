"""Around every verb: read the config, call one task, print, end with the right exit code."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from smoecast import console
from smoecast.cli import boundary
from smoecast.errors import ConfigError

if TYPE_CHECKING:
    from smoecast.config.run import Config

EXIT_CODES = """[bold]Exit codes[/bold], the same for every verb: 0 done or nothing to do ·
1 unexpected error · 2 usage or config · 3 input missing or invalid ·
4 input not published yet, try later · 5 output incomplete or failed verification ·
6 model refused · 75 another run holds the lock · 128+n ended by signal n"""


def read_config(name_or_path: str, overrides: Sequence[str] | None) -> "Config":
    """Load a config from a file or from the zoo, with overrides."""
    from smoecast import zoo
    from smoecast.config import yaml_file

    return yaml_file.load(zoo.locate(name_or_path, zoo.CONFIG), overrides or ())


def require_config(config: str | None) -> str:
    """Return the config that an option left open; ConfigError where none was given."""
    if config is None:
        raise ConfigError("no config was named: give --config FILE|NAME")
    return config


def run(
    task: Callable[[], dict[str, Any]],
    show: Callable[[dict[str, Any]], str],
    *,
    as_json: bool = False,
    quiet: bool = False,
    debug: bool = False,
) -> None:
    """Call a task, print its summary for a person or a machine, and exit.

    Whatever fails is one sentence on stderr and an exit code (`boundary.guard`); with `debug` the
    traceback stands before it.
    """
    console.configure(quiet=quiet)
    boundary.configure(debug=debug)
    with boundary.guard():
        summary = task()
        text = json.dumps(summary, default=str) if as_json else show(summary)
    boundary.show(text)


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


def say_size(count: float) -> str:
    """Return bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
