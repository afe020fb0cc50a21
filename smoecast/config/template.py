"""A config to begin with: the keys at their defaults, each with a word on what it is."""

import difflib
from typing import Any, get_args

import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from smoecast.config.run import Config
from smoecast.config.section import Section
from smoecast.errors import ConfigError

_HEAD = """\
# A run of smoecast. Every key is optional; what stands here is the default.
"""
_MORE = """\
# `smoecast config init --all` writes every key there is.
"""


def template(name: str, *, every_key: bool = False) -> str:
    """Return a commented config at its defaults, to edit.

    Parameters
    ----------
    name : str
        Of the run.
    every_key : bool
        Whether it has keys too that hardly anybody needs in the first month (`section.RARE`).
    """
    lines = [
        _HEAD + ("" if every_key else _MORE) + _line("name", name, Config.model_fields["name"])
    ]
    for key, field in Config.model_fields.items():
        if key != "name":
            lines += _describe(key, field, getattr(Config(), key), 0, every_key)
    return "\n".join(lines) + "\n"


def _describe(key: str, field: FieldInfo, value: Any, depth: int, every_key: bool) -> list[str]:
    marks = field.json_schema_extra
    marks = marks if isinstance(marks, dict) else {}
    if marks.get("rare") and not every_key:
        return []
    pad = "  " * depth
    if not isinstance(value, Section):
        return [pad + _line(key, value, field)]
    if marks.get("brief"):
        return [f"{pad}{key}: {{}}  # {field.description}"]
    lines = [""] if depth == 0 else []
    lines += [f"{pad}{key}:  # {field.description}"]
    for name, inner in type(value).model_fields.items():
        lines += _describe(name, inner, getattr(value, name), depth + 1, every_key)
    return lines


def _line(key: str, value: Any, field: FieldInfo) -> str:
    plain = TypeAdapter(type(value)).dump_python(value, mode="json")
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("...\n").strip()
    words = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    note = f"{field.description}" + (f" [{' | '.join(words)}]" if words else "")
    return f"{key}: {text}  # {note}"


TASKS = {
    "forecast": """\
# A forecast model of the simulated planet: smoecast download, preprocess, train, forecast,
# evaluate, plot, each with -c and this file.
data:
  source: planet  # weather that anyone can make in a minute; never real weather
  channels: [z500, t850, t2m]  # `smoecast channels` names all there are
  constants: [orography, lsm]  # fields without time, as inputs
  step_hours: 12  # hours between two analyses
  planet: {years: 2}  # better: 10
sample:
  history_hours: [0, 12]  # it sees the start and what was 12 h before
  lead_hours: [12]  # it learns so many hours ahead
network:  # small: a laptop trains it in two minutes
  width: 24  # better: 48
  blocks: 2  # better: 5; with both, ten times as slow
  local_bias: true  # a number of its own for each point
  smoe: {layers: last}  # the last convolution is a Spatial Mixture-of-Experts
training:
  epochs: 6  # better: 20
  learning_rate: 2.0e-3
  schedule: cosine  # the rate falls to nothing at the last epoch
forecast: {lead_hours: [12, 24, 48, 72]}  # past its own lead time it rolls out
""",
    "ensemble": """\
# Calibration of ensembles that you have: smoecast preprocess, then postprocess, with -c and this
# file; with -i a new ensemble is calibrated by what was fitted.
data: {source: none}  # ensembles alone
postprocess:
  source: files
  files: ['history/*.nc']  # past ensemble forecasts: GRIB, NetCDF or Zarr
  truth: ['truth/*.nc']  # analyses of the times at which they held
  channels: [t2m]  # what it sees
  targets: [t2m]  # what it corrects
  lead_hours: [24, 48]  # of the files
  method: emos  # by regression; smoe: by a network, which needs thousands of cases
  coefficients: local  # one set a point; pooled: one for all, where starts are few
""",
    "era5": """\
# A forecast model of ERA5 at 5.625 degrees, from WeatherBench 2, which needs no account:
# smoecast download --dry-run says what will be fetched.
data:
  source: weatherbench2  # era5: from the Climate Data Store, with an account
  years: 2010-2020
  channels: [z500, t850, t2m, u850, v850]
  constants: [orography, lsm]
  step_hours: 6
  split:  # whole years, so that no part sees weather of another
    train: ["2010-01-01", "2017-12-31"]
    validation: ["2018-01-01", "2018-12-31"]  # chooses the best epoch
    test: ["2020-01-01", "2020-12-31"]  # for the final score alone
sample:
  history_hours: [0, 6]
  lead_hours: [6]
training: {epochs: 20}
forecast:
  lead_hours: [24, 72, 120]
  license: CC BY 4.0, contains modified Copernicus Climate Change Service information
""",
    "ens10": """\
# ENS-10: the 48 h ensemble forecast of the temperature at 2 m, corrected to ERA5 by a network.
# An account at the Climate Data Store is needed: smoecast download --dry-run says how much comes.
data:
  source: era5  # the truth
  years: 1998-2017
  channels: [t2m]
  constants: [orography, lsm]
  step_hours: 24
  era5: {grid_degrees: 0.5}
  split: &years
    train: ["1998-01-01", "2013-12-31"]
    validation: ["2014-01-01", "2015-12-31"]
    test: ["2016-01-01", "2017-12-31"]
sample: {lead_hours: [24]}
postprocess:
  source: ens10
  ens10: {months: [1]}  # a tenth to begin with; without it all 105 dates of the year
  channels: [t2m, skt, sst, tcw, tcwv, cp, tp, msl, tcc, u10, v10]
  targets: [t2m]
  lead_hours: [48]
  split: *years
  method: smoe  # a network; emos: by regression
""",
    "files": """\
# A forecast model of analyses that you have. `smoecast inspect FILE` says what is in a file and
# what a config may ask for of it.
data:
  source: files
  files: ['analyses/*.grib']  # GRIB, NetCDF or Zarr: paths, folders or globs
  channels: [z500, t850, t2m]
  step_hours: 6  # hours between two of them
sample:
  history_hours: [0, 6]  # it sees the start and what was 6 h before
  lead_hours: [6]  # it learns so many hours ahead
training: {epochs: 20}
forecast:
  lead_hours: [6, 24, 48]  # past its own lead time it rolls out
  institution: not stated  # who made it
  license: not stated  # terms of use of the forecasts
""",
}
"""Configs to begin a task with: what one changes in the first hour."""


def template_for(task: str, name: str) -> str:
    """Return a short config for a task, to edit.

    Parameters
    ----------
    task : str
        One of `TASKS`.
    name : str
        Of the run.

    Raises
    ------
    ConfigError
        There is no such task.
    """
    if task not in TASKS:
        close = difflib.get_close_matches(task, TASKS, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ConfigError(
            f"--for {task}: there is no such task; {hint}there are {', '.join(TASKS)}"
        )
    note, _, rest = TASKS[task].partition("\ndata:")
    return f"{note}\nname: {name}\nfolder: runs  # results go to runs/{name}\ndata:{rest}"
