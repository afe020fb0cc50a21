"""`smoecast config`: write, check, show and describe configs."""

from pathlib import Path
from typing import Annotated

import typer

from smoecast.cli import options
from smoecast.cli.run import EXIT_CODES, read_config, run
from smoecast.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True, help="Write, check, show and describe configs.", epilog=EXIT_CODES
)


@app.command(epilog=EXIT_CODES)
def init(
    path: Annotated[Path, typer.Argument(help="Config file to write.")] = Path("run.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a config with every key at its default, each explained, to edit."""

    def task() -> dict[str, str]:
        from smoecast import configfile
        from smoecast.disk import write_atomic

        text = configfile.template(path.stem)
        configfile.parse(text, f"{path}: the run would be called '{path.stem}'")
        try:
            if path.exists() and not force:
                raise ConfigError(f"{path}: the file exists; choose another name or give --force")
            write_atomic(path, text.encode())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
        return {"config": str(path)}

    run(task, lambda s: f"wrote {s['config']}; edit it, then: smoecast config check -c {path}")


@app.command(epilog=EXIT_CODES)
def check(config: options.Config, set_: options.Set = None) -> None:
    """Check a config: unknown keys, values that do not fit, parts that do not hang together."""

    def task() -> dict[str, str]:
        read_config(config, set_)
        return {"config": config}

    run(task, lambda s: f"{s['config']}: good")


@app.command(epilog=EXIT_CODES)
def show(config: options.Config, set_: options.Set = None, as_json: options.Json = False) -> None:
    """Show a config as a run would use it, every key resolved."""
    from smoecast import configfile

    run(
        lambda: read_config(config, set_).model_dump(mode="json"),
        lambda values: configfile.dump(configfile.validate(values, config)).rstrip(),
        as_json=as_json,
    )


@app.command(epilog=EXIT_CODES)
def schema() -> None:
    """Print the JSON schema of a config, for editors."""
    from smoecast import configfile

    run(lambda: {"schema": configfile.schema()}, lambda s: str(s["schema"]))
