"""Maps: what stands on a picture, and where its colours are."""

import io

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.tasks.plot.cartography import maps
from smoecast.tasks.plot.cartography import quantities as q
from smoecast.tasks.plot.cartography.projections import (
    AzimuthalEqualArea,
    EqualEarth,
    PlateCarree,
)
from smoecast.tasks.plot.cartography.sheets import say_latitude, say_longitude, sheet_of

GLOBE = Grid(np.arange(87.5, -90, -5.0), np.arange(-180, 180, 5.0))
STEP = np.where(GLOBE.longitude < 0, -2.0, 2.0) * np.ones((36, 1))


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def drawn(simulated: bool = False) -> Figure:
    group = maps.Group([("east and west", STEP)], q.difference_scale([STEP], "K"))
    return maps.draw_maps([group], GLOBE, title="step", foot="a.nc", simulated=simulated)


def test_blue_is_west_and_red_is_east() -> None:
    """Coarse pixels of the picture itself, with a wide tolerance."""
    file = io.BytesIO()
    figure = drawn()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    picture = image.imread(file)[..., :3]
    box = figure.axes[0].get_window_extent().transformed(figure.transFigure.inverted())
    tall, wide = picture.shape[:2]
    row = slice(
        int(tall * (1 - box.y0 - 0.6 * box.height)), int(tall * (1 - box.y0 - 0.4 * box.height))
    )
    for at, strong, weak in ((0.3, 2, 0), (0.7, 0, 2)):
        place = int(wide * (box.x0 + at * box.width))
        colour = np.median(picture[row, place - 4 : place + 5].reshape(-1, 3), axis=0)
        assert colour[strong] > colour[weak] + 0.15


def test_the_source_of_the_coast_is_named_and_the_planet_stamped() -> None:
    plain, stamped = words(drawn()), words(drawn(simulated=True))
    assert "Natural Earth" in plain
    assert maps.STAMP not in plain
    assert maps.STAMP in stamped
    assert "Natural Earth" not in stamped
    for text in (plain, stamped):
        assert "step" in text
        assert "a.nc" in text
        assert "60°N" in text


@pytest.mark.parametrize(
    ("title", "simulated"),
    [
        ("Forecasts of the simulated planet, no real weather", True),
        ("Simulated weather of the smoecast planet: NOT real weather", True),
        ("4x daily NMC reanalysis (1948)", False),
    ],
)
def test_results_say_of_themselves_that_they_are_of_the_planet(title: str, simulated: bool) -> None:
    assert maps.say_simulated("", title) is simulated


def test_groups_have_scales_of_their_own_and_panels_share_one() -> None:
    fields = [STEP + 280, STEP * 2 + 280]
    groups = [
        maps.Group([("a", fields[0]), ("b", fields[1])], q.value_scale("t2m", fields, q.Unit("K"))),
        maps.Group([("d", fields[0] - fields[1])], q.difference_scale([STEP], "K")),
    ]
    figure = maps.draw_maps(groups, GLOBE, title="t")
    panels = {a.get_title(): a.collections[0] for a in figure.axes if a.get_title()}
    assert (panels["a"].norm.boundaries == panels["b"].norm.boundaries).all()
    assert panels["d"].norm.vmin == -panels["d"].norm.vmax


def test_the_paper_follows_the_grid() -> None:
    assert isinstance(sheet_of(GLOBE).projection, EqualEarth)
    cap = Grid(np.arange(88.0, 50, -2), np.arange(-180, 180, 5.0))
    polar = sheet_of(cap).projection
    assert isinstance(polar, AzimuthalEqualArea)
    assert polar.origin == 90
    south = sheet_of(Grid(-cap.latitude[::-1], cap.longitude)).projection
    assert isinstance(south, AzimuthalEqualArea)
    assert south.origin == -90
    region = sheet_of(Grid(np.arange(60.0, 50, -1), np.arange(-10, 10, 1.0)))
    assert isinstance(region.projection, PlateCarree)
    assert region.aspect == pytest.approx(2 * np.cos(np.deg2rad(55.5)))
    assert sheet_of(ProjectedGrid(np.arange(3.0), np.arange(4.0), {})).projection is None


@pytest.mark.parametrize(
    ("degrees", "north", "east"),
    [(30, "30°N", "30°E"), (-60, "60°S", "60°W"), (0, "0°", "0°")],
)
def test_degrees_have_letters(degrees: float, north: str, east: str) -> None:
    assert say_latitude(degrees) == north
    assert say_longitude(degrees) == east
    assert say_longitude(degrees + 360) == east


def test_a_foot_that_is_too_wide_is_broken_between_its_parts() -> None:
    figure = Figure((6.4, 4))
    name = "2017-temperature_at_screen_level.nc"
    maps.sign(figure, f"{name} | truth: {name} | {name}", simulated=False)
    assert figure._supxlabel.get_text() == f"{name} | truth: {name}\n{name}"
    maps.sign(figure, f"{name} | {name}", simulated=True)
    assert figure._supxlabel.get_text() == f"{maps.STAMP}\n{name}\n{name}"


def test_a_forecast_its_truth_and_its_error_stand_side_by_side() -> None:
    plan = maps._lay_out([2, 1])
    assert (plan.cells, plan.rows, plan.columns) == ([[(0, 0), (0, 1)], [(0, 2)]], 1, 3)
    plan = maps._lay_out([8, 4])
    assert (plan.rows, plan.columns) == (3, 4)
