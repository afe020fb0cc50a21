"""What `smoecast channels` finds, says and writes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.errors import ConfigError
from smoecast.tasks.inspect.channels import list_variables, markdown
from smoecast.variables import VARIABLES

PAGE = Path(__file__).parents[3] / "docs" / "channels.md"
run = CliRunner().invoke


def found(word: str) -> list[str]:
    return [variable["name"] for variable in list_variables(word)["variables"]]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("slp", ["msl"]),
        ("hgt", ["z", "orography"]),
        ("2T", ["t2m"]),
        ("gust", ["fg10", "i10fg"]),
        ("UGRD", ["u", "u10"]),
        ("228228", ["tp"]),
        ("wind gust", ["fg10", "fg10_3h", "fg10_6h", "i10fg"]),
        ("z500", ["z"]),
        ("167", ["t2m"]),
        ("air_temperature", ["t", "t2m", "tsig995"]),
        ("sea ice", ["siconc"]),
        ("2m_temperature", ["t2m"]),
    ],
)
def test_a_word_of_any_language_finds_a_variable(word: str, names: list[str]) -> None:
    assert found(word) == names


def test_no_word_finds_all() -> None:
    assert found("") == list(VARIABLES)


def test_a_word_that_means_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="flux_capacitance: no variable that smoecast knows"):
        list_variables("flux_capacitance")


def test_the_page_is_the_table() -> None:
    variables = list_variables()["variables"]
    assert PAGE.read_text() == markdown(variables) + "\n", (
        "run `smoecast channels --markdown > docs/channels.md`"
    )
    assert all(f"| `{name}` |" in PAGE.read_text() for name in VARIABLES)


def test_the_command_shows_few_at_length_and_many_in_a_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    one = run(app, ["channels", "slp"]).output
    assert one.startswith("msl: mean sea level pressure [Pa]")
    assert "air_pressure_at_mean_sea_level" in one
    many = run(app, ["channels"]).output
    assert max(map(len, many.splitlines())) <= 80
    assert all(f"\n{name} " in many for name in VARIABLES if VARIABLES[name].vertical != "pressure")
    assert "\nz500 " in many
    assert run(app, ["channels", "--markdown"]).output == PAGE.read_text()
    said = json.loads(run(app, ["channels", "slp", "--json"]).output)
    assert said["variables"][0]["aliases"] == list(VARIABLES["msl"].aliases)
