"""`smoecast models`: whether a model is whole, and what it is without experts."""

from pathlib import Path
from typing import Any

from torch import nn

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.renamed import upgrade
from smoecast.config.section import first_difference
from smoecast.errors import ModelError, OutputError
from smoecast.fields.grid import place_from_dict
from smoecast.nn.cost import count_parameters
from smoecast.nn.smoe.model_layers import freeze_tensors
from smoecast.tasks.descriptions import CONSTANTS, calibration_config
from smoecast.tasks.forecast.trained_keys import decisive
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.postprocess.calibration import KINDS, open_calibration
from smoecast.tasks.postprocess.network import open_correction
from smoecast.training.model_files import (
    STATE,
    identity_of,
    load_state,
    load_tensors,
    of_model,
    save_model,
)


def verify_model(place: Path) -> dict[str, Any]:
    """Check checksums, schema, that state, config and weights belong together, and are finite.

    Returns
    -------
    dict
        ``model``, ``parameters``, ``sha256`` of each file, and ``sealed``: whether ``state.json``
        has a checksum of its own, as models of earlier versions have not.

    Raises
    ------
    ModelError
        Anything is missing, damaged or does not fit.
    """
    state = load_state(place)
    if state.get("kind") in KINDS:
        count, sections = open_calibration(place).parameters, ["postprocess"]
    else:
        count, sections = count_parameters(open_model(place).network), ["sample", "network"]
    if zoo.CONFIG in {path.name for path in place.iterdir()}:
        _check_beside(place, upgrade(state["config"]), sections)
    sealed = STATE in state["sha256"]
    return {"model": str(place), "parameters": count, "sha256": state["sha256"], "sealed": sealed}


def freeze_model(place: Path, folder: Path) -> dict[str, Any]:
    """Write a model whose SMoE layers have become one filter for each point.

    It forecasts the same but for rounding, and knows no experts and no routing any more.

    Parameters
    ----------
    place : Path
        A model's folder.
    folder : Path
        To be made.

    Returns
    -------
    dict
        ``model``, ``output`` and ``parameters``.

    Raises
    ------
    ModelError
        The model is damaged, has no SMoE layer, or a gate that looks at the weather.
    OutputError
        The folder is there already.
    """
    if folder.exists():
        raise OutputError(f"{folder} is there already: name a folder that is not")
    state = load_state(place)
    config = upgrade(state["config"])
    with of_model(place):
        network, section = _network_of(place, state, config)
        try:
            tensors = freeze_tensors(network)
        except ValueError as error:
            raise ModelError(f"there is nothing to freeze: {error}") from None
    section["convolution"] = "frozen"
    kept = {name: t for name, t in load_tensors(place, state).items() if name == CONSTANTS}
    frozen = {**state, "config": config, "frozen_from": identity_of(state)}
    save_model(folder, {**tensors, **kept}, frozen)
    summary = verify_model(folder)
    return {"model": str(place), "output": str(folder), "parameters": summary["parameters"]}


def _network_of(
    place: Path, state: dict[str, Any], config: dict[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a model's network, and the section of its config that describes it."""
    if state.get("kind") not in KINDS:
        return open_model(place).network, config["network"]
    if state["kind"] != "smoe":
        raise ModelError(f"there is nothing to freeze: it is a calibration by {state['kind']}")
    settings = calibration_config(state).postprocess
    tensors = load_tensors(place, state)
    network = open_correction(settings, state, tensors, place_from_dict(state["grid"]))[1]
    return network, config["postprocess"]["network"]


def _check_beside(place: Path, said: dict[str, Any], sections: list[str]) -> None:
    """Refuse a config beside a model under which another one would have been trained."""
    told = yaml_file.validate(said, str(place))
    with of_model(place):
        beside = yaml_file.load(place / zoo.CONFIG, pipe=False, saved=True)
        for name in sections:
            ours, theirs = (decisive(getattr(config, name)) for config in (told, beside))
            key = first_difference(ours, theirs, name)
            if key:
                raise ModelError(f"{STATE} and {zoo.CONFIG} differ at {key}: fetch it anew")
