"""`smoecast config`: write, check and show configs, and print their schema."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import read_config, run
from smoecast.errors import ConfigError

app = typer.Typer(
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Write, check and show configs, and print their schema.",
)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Config file to write.")] = Path("run.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    every_key: Annotated[
        bool, typer.Option("--all", help="Write every key, also those hardly ever changed.")
    ] = False,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Write a short config for a task instead: forecast (on the simulated planet), "
            "ensemble (calibrate yours), era5 (by WeatherBench 2), ens10 or files (your analyses).",
            metavar="TASK",
            autocompletion=completion.tasks,
        ),
    ] = None,
    debug: options.Debug = False,
) -> None:
    """Write a config to edit: the keys that one begins with at their defaults, each explained."""

    def task() -> dict[str, str]:
        from smoecast.config import yaml_file
        from smoecast.config.template import template, template_for
        from smoecast.disk.atomic import write_atomic
        from smoecast.disk.leftovers import sweep_beside

        if for_ and every_key:
            raise ConfigError("--all and --for are two configs: give one of them")
        text = template_for(for_, path.stem) if for_ else template(path.stem, every_key=every_key)
        yaml_file.parse(text, f"{path}: the run would be called '{path.stem}'")
        content = text.encode()
        if path.exists() and not force and not (path.is_file() and path.read_bytes() == content):
            raise ConfigError(f"{path}: the file exists; choose another name or give --force")
        if not path.parent.is_dir():
            raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")
        sweep_beside(path)
        write_atomic(path, content)
        return {"config": str(path)}

    def show(s: dict[str, str]) -> str:
        return f"wrote {s['config']}; edit it, then: smoecast config check -c {path}"

    run(task, show, verb="config", debug=debug)


@app.command()
def check(config: options.Config, set_: options.Set = None, debug: options.Debug = False) -> None:
    """Check a config: unknown keys, values that do not fit, parts that do not hang together."""

    def task() -> dict[str, str]:
        read_config(config, set_)
        return {"config": config}

    run(task, lambda s: f"{s['config']}: good", verb="config", debug=debug)


@app.command()
def show(
    config: options.Config,
    set_: options.Set = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show a config as a run would use it, every key resolved."""

    def task() -> dict[str, Any]:
        return read_config(config, set_).model_dump(mode="json")

    def show(values: dict[str, Any]) -> str:
        from smoecast.config import yaml_file

        return yaml_file.dump(yaml_file.validate(values, config)).rstrip()

    run(task, show, as_json=as_json, verb="config", debug=debug)


@app.command()
def schema(debug: options.Debug = False) -> None:
    """Print the JSON schema of a config, for editors."""

    def task() -> dict[str, str]:
        from smoecast.config import yaml_file

        return {"schema": yaml_file.schema()}

    run(task, lambda s: s["schema"], verb="config", debug=debug)
