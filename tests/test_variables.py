"""The table of variables is consistent."""

import pytest

from smoecast import variables
from smoecast.variables import VARIABLES


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [("2t", "t2m"), ("geopotential", "z"), ("air", "t"), ("10m_u_component_of_wind", "u10")],
)
def test_foreign_names(foreign: str, ours: str) -> None:
    variable = variables.variable_of(foreign)
    assert variable is not None
    assert variable.name == ours


def test_unknown_names_are_none() -> None:
    assert variables.variable_of("flux_capacitance") is None
    assert variables.variable_of_param(999_999) is None
    assert variables.variables_called("flux_capacitance") == []


@pytest.mark.parametrize(("param", "name"), [(167, "t2m"), (156, "z"), (228164, "tcc")])
def test_params_lead_to_variables(param: int, name: str) -> None:
    assert variables.variable_of_param(param) is VARIABLES[name]


def test_no_name_serves_two_variables() -> None:
    every = [n for v in VARIABLES.values() for n in {v.name, v.cds_name, *v.aliases}]
    assert len(every) == len(set(every))
    params = [p for v in VARIABLES.values() for p in (v.param_id, *v.other_params) if p]
    assert len(params) == len(set(params))


def test_names_of_ncep() -> None:
    found = variables.variables_called("tmp")
    assert [v.name for v in found] == ["t", "t2m", "skt"]


def test_every_row_says_where_and_over_what_time_it_is_read() -> None:
    for variable in VARIABLES.values():
        assert variable.step in ("instant", "accum", "max", "")
        assert (variable.step == "") == (variable.vertical == "constant")
        assert variable.place.split()[0] in ("on", "at", "of", "without")
        assert bool(variable.when) == bool(variable.step)
        assert (variable.levels == variables.ISOBARIC) == (variable.vertical == "pressure")
        assert variable.height is None or "heightAboveGround" in variable.levels


def test_heights() -> None:
    gusts = dict.fromkeys(("fg10", "fg10_3h", "fg10_6h", "i10fg"), 10.0)
    winds = {"u10": 10.0, "v10": 10.0, "ws10": 10.0}
    assert {"t2m": 2.0, "d2m": 2.0} | winds | gusts == variables.HEIGHTS


def test_what_is_never_negative() -> None:
    assert variables.is_never_negative("fg10_3h")
    assert not variables.is_never_negative("u_10hPa")
