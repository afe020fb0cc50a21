"""A layer whose settings are named beside its other arguments."""

from dataclasses import fields

from smoecast.nn import SMoESettings, SpatialMoE2d

OURS = {field.name for field in fields(SMoESettings)}


def make_layer(*sizes, preset="paper", **options):
    ours = {name: options.pop(name) for name in OURS & options.keys()}
    return SpatialMoE2d(*sizes, **options, settings=SMoESettings.preset(preset, **ours))
