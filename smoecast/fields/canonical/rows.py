"""Whether a field on some kind of level, and over some time, is the quantity of a row of the table.

The same name serves pressure on the ground and at the tropopause, cloud of a layer and of the whole
sky, a value at a moment and a mean over six hours. A row of `variables` names what it is read from.
"""

from smoecast.variables import VARIABLES, Variable

_STEPS = {
    "instant": ("instant",),
    # what is a sum or a maximum by itself, ECMWF's GRIB 1 marks as a value at a moment
    "accum": ("accum", "instant"),
    "max": ("max", "instant"),
}
"""Step types of ecCodes that hold a quantity of the kind that `Variable.step` names."""
_HEIGHT = "heightAboveGround"
_SCREEN = 1.0  # metres; thermometers stand at 1.25 to 2 m


def row_at(variable: Variable, level_type: str) -> Variable:
    """Return the row of a quantity on a kind of level: geopotential of the ground is orography."""
    ground = variable.name == "z" and level_type == "surface"
    return VARIABLES["orography"] if ground else variable


def level_refusal(variable: Variable, level_type: str, height: float | None) -> str:
    """Say why a variable is not read from a kind of level; empty where it is.

    Parameters
    ----------
    variable : Variable
    level_type : str
        ``typeOfLevel`` of ecCodes.
    height : float or None
        Metres above ground on the level ``heightAboveGround``; None: not known.
    """
    known = level_type in variable.levels
    if known and (level_type != _HEIGHT or fits_height(variable, height)):
        return ""
    return f"{variable.name} is read {variable.place} alone"


def fits_height(variable: Variable, height: float | None) -> bool:
    """Whether a height in metres is that of a variable; 0 says that it stands in the name."""
    wanted = variable.height or 0.0
    return not height or abs(height - wanted) <= _SCREEN


def step_refusal(variable: Variable, step_type: str) -> str:
    """Say why a variable is not read from a step type of ecCodes; empty where it is.

    Parameters
    ----------
    variable : Variable
    step_type : str
        ``stepType`` of ecCodes: ``instant``, ``avg``, ``accum``, ``max``, ...
    """
    if not variable.step or step_type in _STEPS[variable.step]:
        return ""
    return f"{variable.name} is read {variable.when} alone"
