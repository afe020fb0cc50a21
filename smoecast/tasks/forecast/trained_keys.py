"""What a config says of a model that is trained already: it agrees, or the forecast is refused.

`sample` and `network` decide a model when it is trained and nothing afterwards. A key of them that
is given and differs would be ignored, and stand in the result as if it were true.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smoecast.config import yaml_file
from smoecast.config.forecast import Forecast
from smoecast.config.run import Config
from smoecast.config.section import Section, first_difference
from smoecast.errors import ConfigError
from smoecast.tasks.descriptions import Description, read_description
from smoecast.tasks.forecast.initial_conditions import LATEST

SECTIONS = ("sample", "network")


def adopt_trained(config: Config, models: Sequence[Description]) -> Config:
    """Return the config with the sections of the model as it was trained.

    Of several models one must have been trained as the config says.

    Parameters
    ----------
    config : Config
        What is not given in it differs from nothing.
    models : sequence of Description
        At least one.

    Raises
    ------
    ConfigError
        A key is given and differs from what the model was trained with.
    """
    found = {model.folder: find_difference(config, model.config) for model in models}
    agreeing = [model for model in models if not found[model.folder]]
    if not agreeing:
        place, key = next(iter(found.items()))
        raise ConfigError(
            f"{place}: the model was trained with another {key}: leave the key out, name the "
            "model's own config, or train anew"
        )
    trained = agreeing[0].config
    changed: dict[str, Any] = {name: getattr(trained, name) for name in SECTIONS}
    if not set(trained.targets) <= set(config.data.channels):
        # a config whose targets are no channels could not be read again
        channels = {"channels": trained.data.channels}
        changed["data"] = config.data.model_copy(update=channels)
    return config.model_copy(update=changed)


def config_of_model(folder: Path, overrides: Sequence[str]) -> Config:
    """Return the config under which a model forecasts from files where nobody names one.

    It is the one it was trained under, but that it starts from the newest analysis.

    Parameters
    ----------
    folder : Path
        Of the model.
    overrides : sequence of str
        Each ``section.key=value``.

    Raises
    ------
    ModelError
        See `read_description`.
    ConfigError
        An override is wrong.
    """
    values = read_description(folder).config.model_dump(mode="json")
    own = Forecast().model_dump(mode="json", include={"models", "output"})
    values["forecast"] |= {**own, "init_times": [LATEST]}
    return yaml_file.parse(yaml_file.dump_values(values), str(folder), overrides)


def find_difference(asked: Config, trained: Config) -> str:
    """Name the first key of `SECTIONS` that is given and differs from the trained model's.

    Parameters
    ----------
    asked, trained : Config

    Returns
    -------
    str
        ``network.width (48, now 8)``; empty where they agree.
    """
    for name in SECTIONS:
        section, model = getattr(asked, name), decisive(getattr(trained, name))
        given = _keep_common(section.model_dump(mode="json", exclude_unset=True), decisive(section))
        if "convolution" not in model:
            given.pop("convolution", None)
        if model.get("smoe") == _NO_LAYERS:
            given["smoe"] = _keep_common(given.get("smoe", {}), _NO_LAYERS)
        key = first_difference(_keep_common(model, given), given, name)
        if key:
            return key
    return ""


_NO_LAYERS = {"layers": "none"}


def decisive(section: Section) -> dict[str, Any]:
    """Return what of a section decides a trained model, as plain values.

    Not how a preset of SMoE layers is called, nor what they would be where there are none, nor that
    they have become one filter a point.
    """
    values = section.model_dump(mode="json")
    if values.get("convolution") == "frozen":
        del values["convolution"]  # made of the one that was trained, and forecasts as it does
    smoe = values.get("smoe", {})
    smoe.pop("preset", None)  # its keys all stand in the section
    if smoe.get("layers") == "none":
        values["smoe"] = _NO_LAYERS
    return values


def _keep_common(values: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return of nested values those whose keys the others have too."""
    return {
        key: _keep_common(value, other[key])
        if isinstance(value, Mapping) and isinstance(other[key], Mapping)
        else value
        for key, value in values.items()
        if key in other
    }
