"""Keys of a config that had other names or places, and what older versions saved under them.

A config that a person wrote is refused, with the new names. What smoecast itself saved, in a model
or in a training that was stopped, is read as it was meant.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_LAYER = (
    "order", "routing", "error_memory", "shared", "bias", "start", "expert_start",
    "error_quantile", "damping", "routing_loss_weight", "gate",
)  # fmt: skip
_NETWORK = {
    "network.offset": "network.local_bias",
    "network.shortcut": "network.input_skip",
    "network.first_kernel_size": "network.advanced.first_kernel_size",
    "network.position_channels": "network.advanced.position_channels",
    "network.smoe.terms": "network.smoe.experts_per_channel",
    "network.smoe.judge": "network.smoe.advanced.routing_loss",
    "network.smoe.share": "network.smoe.advanced.share_gates",
    **{f"network.smoe.{name}": f"network.smoe.advanced.{name}" for name in _LAYER},
}
_TRAINING = {
    "training.start_from": "training.initial_weights",
    "training.gate_learning_rate": "training.advanced.gate_learning_rate",
    "training.expert_factor": "training.advanced.expert_factor",
}
_TWICE = {**_NETWORK, **_TRAINING}
RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "preprocess": "compute",
        "sample.clock": "sample.time_features",
        **_TWICE,
        "forecast.every_hours": "forecast.init_every_hours",
        "postprocess.where": "postprocess.coefficients",
        "postprocess.members_by": "postprocess.reordering",
        "postprocess.shift": "postprocess.advanced.correction_units",
        **{f"postprocess.{old}": f"postprocess.{new}" for old, new in _TWICE.items()},
        "evaluate.climate_days": "evaluate.efi_window_days",
    }
)
"""Old name of a key, dotted, to its new one."""

_BY_PLACE = {"expansion": 4.0, "experts_per_channel": 1}
"""Sizes of SMoE layers that could be given by place; elsewhere they were these."""


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values of a config, or of parts of one, under the names of today.

    Parameters
    ----------
    values : mapping
        As any version saved them; it is not changed. Under today's names already: returned alike.
    """
    upgraded = dict(values)
    for old, new in RENAMED.items():
        _move(upgraded, old, new)
    for network in ("network", "postprocess.network"):
        _split_sizes(upgraded, f"{network}.smoe")
    return upgraded


def upgrade_identity(identity: Any) -> Any:
    """Return what a stopped training is known by, as today's version would say it.

    Parameters
    ----------
    identity : JSON value
        Its ``config`` has parts of a config, its ``fitted`` the section `postprocess`.
    """
    if not isinstance(identity, Mapping):
        return identity
    upgraded = dict(identity)
    if isinstance(identity.get("config"), Mapping):
        upgraded["config"] = upgrade(identity["config"])
    if isinstance(identity.get("fitted"), Mapping):
        upgraded["fitted"] = upgrade({"postprocess": identity["fitted"]})["postprocess"]
    return upgraded


def _move(values: dict[str, Any], old: str, new: str) -> None:
    """Give a key its new name; where both are there, both stay, to be refused."""
    before, after = old.split("."), new.split(".")
    if _get(values, before) is _ABSENT or _get(values, after) is not _ABSENT:
        return
    if not _can_hold(values, after[:-1]):
        return
    value = _own(values, before[:-1]).pop(before[-1])
    _own(values, after[:-1])[after[-1]] = value


def _split_sizes(values: dict[str, Any], smoe: str) -> None:
    """Put sizes that were given by place beside the size elsewhere."""
    path = smoe.split(".")
    advanced = [*path, "advanced"]
    if not isinstance(_get(values, path), Mapping) or not _can_hold(values, advanced):
        return
    for name, elsewhere in _BY_PLACE.items():
        size = _get(values, [*path, name])
        if isinstance(size, Mapping):
            _own(values, path)[name] = elsewhere
            _own(values, advanced)[f"{name}_at"] = size
        elif size is not _ABSENT:
            _own(values, advanced).setdefault(f"{name}_at", {})


_ABSENT = object()


def _get(values: Any, path: list[str]) -> Any:
    for name in path:
        values = values.get(name, _ABSENT) if isinstance(values, Mapping) else _ABSENT
    return values


def _can_hold(values: Mapping[str, Any], path: list[str]) -> bool:
    """Whether a section is at a path, or may be made there."""
    section = _get(values, path)
    return section is _ABSENT or isinstance(section, Mapping)


def _own(values: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """Return the section at a path, for changing: it and those around it are copied or made."""
    for name in path:
        values[name] = values = dict(values.get(name, {}))
    return values
