"""The published table: whole, marked, with grid, size and source, and as the sources have it."""

import pytest

from smoecast.tasks.evaluate.published import (
    COLUMNS,
    MARKS,
    WEATHERBENCH,
    Published,
    compare_with_published,
)


def of(name: str) -> Published:
    (entry,) = (e for e in WEATHERBENCH if e.name == name)
    return entry


def test_every_entry_is_marked_and_cited() -> None:
    for entry in WEATHERBENCH:
        assert entry.mark in MARKS
        assert entry.source
        assert len(entry.rmse) == len(COLUMNS)
        assert all(value is None or value > 0 for value in entry.rmse)
        assert entry.truth.startswith(f"ERA5 as in WeatherBench 1, {entry.degrees:g} degrees")


def test_smoe_s_own_numbers_are_three_day_ones_from_a_leaderboard() -> None:
    smoe = of("SMoE, variant not stated")
    assert (smoe.rmse, smoe.mark) == ((198, None, 1.42, None, None, None), "L")


@pytest.mark.parametrize(
    ("name", "rmse", "parameters"),
    [
        ("PASSAT", (420, 651, 2.12, 3.03, 1.85, 2.44), 1.15),
        ("GraphCast, re-trained", (438, 675, 2.17, 3.12, 1.84, 2.48), 1.15),
        ("FourCastNet, re-trained", (442, 674, 2.24, 3.12, 1.87, 2.44), 1.17),
        ("Pangu-Weather, re-trained", (477, 712, 2.31, 3.21, 1.94, 2.55), 1.20),
        ("SFNO, re-trained", (478, 718, 2.37, 3.25, 2.02, 2.55), 1.15),
    ],
)
def test_passat_s_table(name: str, rmse: tuple[float, ...], parameters: float) -> None:
    entry = of(name)
    assert (entry.rmse, entry.parameters, entry.mark) == (rmse, parameters, "R")
    assert (entry.points, entry.mean_of_roots) == ("32 x 64", True)
    assert "2505.04918" in entry.source


def test_another_grid_is_told_and_what_is_not_confirmed() -> None:
    entry = of("WeatherGFT")
    assert entry.rmse == (152.5, 316.0, 1.18, 1.84, 1.14, 1.58)
    assert (entry.points, entry.parameters, entry.mark) == ("128 x 256", 470.547, "U")
    assert entry.truth.endswith("1.40625 degrees, years not known here")


def test_the_printed_table_has_grid_size_and_the_mean_of_roots_apart() -> None:
    def record(channel: str, lead: int, **scores: float) -> dict[str, object]:
        place = {"region": "global", "season": "year"}
        return {
            "forecast": "forecast",
            "channel": channel,
            "lead_hours": lead,
            **place,
            **scores,
        }

    summary = {
        "scores": [record("z500", 72, rmse=400.4, rmse_mean_of_roots=390.2)],
        "published": [entry.to_plain() for entry in WEATHERBENCH],
        "grid": "8 x 16",
        "comparable": "NOT COMPARABLE: said by evaluate.",
    }
    text = compare_with_published(summary, {"forecast": "ours"})
    lines = {line.split("  ")[0]: line.split() for line in reversed(text.splitlines())}
    first, second = (line.split() for line in text.splitlines() if "this run: ours" in line)
    assert first[3:8] == ["8", "x", "16", "-", "400"]
    assert (second[3:8], second[-1]) == (["8", "x", "16", "-", "390"], "*")
    shown = {name: " ".join(words[1:]) for name, words in lines.items()}
    assert shown["PASSAT"] == "32 x 64 1.15 420 651 2.12 3.03 1.85 2.44 R*"
    assert shown["WeatherGFT"] == "128 x 256 470.55 152 316 1.18 1.84 1.14 1.58 U*"
    assert shown["IFS T63"] == "T63 32 x 64 - 268 463 1.85 2.52 - - R"
    assert "128 x 256 points are 1.40625 degrees" in text
    assert "WeatherGFT: years not known here" in text
    assert text.endswith("said by evaluate.")
    assert max(map(len, text.splitlines())) <= 120
