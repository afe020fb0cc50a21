"""How each command's help ends, and how it looks: exit codes, two examples, no type on a flag."""

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

EXIT_CODES = """**Exit codes**, the same for every verb: 0 done or nothing to do · 1 unexpected
error · 2 usage or config · 3 input missing or invalid · 4 input not published yet, try later · 5
output incomplete or failed verification · 6 model refused · 75 another run holds the lock · 128+n
ended by signal n"""

EXAMPLES: dict[str, tuple[str, str]] = {
    "": ("demo", "forecast -m ncep-air-6h -i analyses.nc -o forecast.nc"),
    "bench": ("bench", "bench layer regrid --json -o bench.json"),
    "channels": ("channels", "channels gust"),
    "config": ("config init run.yaml", "config check -c run.yaml"),
    "config check": ("config check -c run.yaml", "config check -c planet-demo -s seed=1"),
    "config init": ("config init run.yaml", "config init uk.yaml --for ensemble"),
    "config schema": ("config schema", "config schema > smoecast.schema.json"),
    "config show": ("config show -c planet-demo", "config show -c run.yaml -s seed=1 --json"),
    "cycle": ("cycle -c ops.yaml", "cycle -c ops.yaml --wait 2h --keep 30d"),
    "demo": ("demo", "demo --folder /tmp/demo"),
    "download": ("download --list", "download -c run.yaml --dry-run"),
    "evaluate": ("evaluate -c run.yaml", "evaluate -c run.yaml -e 't2m>273.15' -o scores.json"),
    "forecast": (
        "forecast -m ncep-air-6h -i analyses.nc -o forecast.nc",
        "forecast -c run.yaml -t 2001-06-01 --format grib",
    ),
    "inspect": ("inspect analyses.nc", "inspect *.grib --values --json"),
    "models": ("models list", "models show planet-smoe"),
    "models example": (
        "models example ncep-air-6h -o air.nc",
        "models example ncep-air-6h -o air.nc --json",
    ),
    "models freeze": (
        "models freeze planet-smoe -o frozen",
        "models freeze runs/mine/model -o frozen --json",
    ),
    "models list": ("models list", "models list --json"),
    "models show": ("models show planet-smoe", "models show heat-diffusion"),
    "models verify": ("models verify planet-smoe", "models verify runs/mine/model"),
    "plot": ("plot -c run.yaml -k maps -o pictures", "plot -i fc.nc --truth air.nc -o error.png"),
    "postprocess": (
        "postprocess -c uk.yaml -i ensemble.nc -o calibrated.nc",
        "postprocess -c uk.yaml -i ensemble.nc --write mean,std,quantiles=0.1:0.9",
    ),
    "preprocess": ("preprocess -c run.yaml", "preprocess -c run.yaml --dry-run"),
    "report": ("report runs/mine", "report runs/mine planet-smoe -o compared.html"),
    "runs": ("runs list runs/mine", "runs show runs/mine"),
    "runs list": ("runs list runs/mine", "runs list runs/mine --failed --last 5"),
    "runs show": ("runs show runs/mine", "runs show runs/mine --json"),
    "runs verify": ("runs verify runs/mine", "runs verify runs/mine --json"),
    "train": ("train -c run.yaml", "train -c run.yaml -s training.epochs=40"),
    "verify": ("verify forecast.nc", "verify runs/mine --json"),
    "watch": ("watch -c ops.yaml incoming", "watch -c ops.yaml incoming --every 30s --keep 30d"),
}
"""Of each command, without the name of the program; empty: of the program."""


def _hide_types(params: list[Any]) -> list[Any]:
    """Have flags show no type: there is nothing to be typed after them."""
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


class Command(TyperCommand):
    """One command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return _hide_types(super().get_params(ctx))


class Group(TyperGroup):
    """A command of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return _hide_types(super().get_params(ctx))


def epilog(path: str) -> str:
    """Return what ends the help of a command; nothing but exit codes where it has no examples."""
    lines = [f"`smoecast {example}`" for example in EXAMPLES.get(path, ())]
    return "\n\n".join([EXIT_CODES, *(["**Examples**"] if lines else []), *lines])


def finish(app: typer.Typer, path: str = "") -> None:
    """Give every command of an app its end and its look.

    Parameters
    ----------
    app : typer.Typer
        All of its commands are registered.
    path : str
        What is typed before them, without the name of the program.
    """
    app.info.epilog, app.info.cls = epilog(path), Group
    for info in app.registered_commands:
        assert info.callback is not None
        name = info.name or info.callback.__name__
        info.epilog, info.cls = epilog(f"{path} {name}".strip()), Command
    for group in app.registered_groups:
        assert group.typer_instance is not None
        finish(group.typer_instance, f"{path} {group.name}".strip())
