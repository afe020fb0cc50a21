"""`smoecast demo`: the whole chain on the simulated planet."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smoecast import console, zoo
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError
from smoecast.tasks.download import download
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.evaluate.tables import tables
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.report.report import report
from smoecast.tasks.train import train

CONFIG = "planet-demo"
"""The model of the zoo whose config the demo runs."""

CHAIN: dict[str, Callable[[Config], dict[str, Any]]] = {
    "download": download,
    "preprocess": preprocess,
    "train": train,
    "forecast": forecast,
    "postprocess": postprocess,
    "evaluate": evaluate,
}


def demo(folder: Path) -> dict[str, Any]:
    """Simulate, prepare, train, forecast, calibrate and score; what is done is not done again.

    Returns
    -------
    dict
        ``seconds`` by verb, ``scores``, and ``report``: the score tables and what was written.
    """
    overrides = [f"folder={folder}"]
    config = yaml_file.load(zoo.locate(CONFIG, zoo.CONFIG), overrides)
    seconds, summary = {}, {}
    for verb, task in CHAIN.items():
        console.say(f"smoecast {verb} --config {CONFIG} --set {overrides[0]}")
        begin = time.monotonic()
        summary[verb] = task(config)
        seconds[verb] = round(time.monotonic() - begin, 1)
        console.say(f"  done in {console.clock(seconds[verb])}")
    page = _write_report(config)
    scores = summary["evaluate"]
    written = [
        f"raw files    {config.raw}",
        f"stores       {config.store}, {config.ensemble_store}",
        f"model        {config.model}",
        f"forecasts    {summary['forecast']['output']}",
        f"calibration  {config.calibration}",
        f"ensembles    {summary['postprocess']['output']}",
        *([f"report       {page}"] if page else []),
    ]
    head = "Simulated planet, test period; simulated weather, no real one."
    report = "\n".join([head, "", tables(scores), "", *written])
    return {"seconds": seconds, "scores": scores["scores"], "report": report}


def _write_report(config: Config) -> str:
    """Write the page that shows all of it, and return where; nothing without matplotlib."""
    console.say(f"smoecast report {config.place}")
    begin = time.monotonic()
    try:
        page = str(report([str(config.place)])["output"])
    except ConfigError as problem:
        console.say(f"  no report: {problem}")
        return ""
    console.say(f"  done in {console.clock(round(time.monotonic() - begin, 1))}")
    return page
