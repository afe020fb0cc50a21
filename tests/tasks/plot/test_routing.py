"""Routing maps: outputs, terms, groups, coarser grids."""

import numpy as np

from smoecast.fields.grid import Grid
from smoecast.nn import SMoESettings, SpatialMoE2d
from smoecast.nn.smoe.inspect import routing_map
from smoecast.tasks.plot.routing import _panels, draw


def test_experts_of_a_group_are_numbered_within_it_and_outputs_and_terms_named() -> None:
    settings = SMoESettings(routing="grouped", experts_per_channel=2)
    layer = SpatialMoE2d(3, 2, 12, grid=(4, 6), settings=settings)
    panels = _panels(layer, ["z500 72 h", "t2m 72 h"])
    assert list(panels) == [f"{o} 72 h, term {t} of 2" for o in ("z500", "t2m") for t in (1, 2)]
    chosen = routing_map(layer).numpy()
    for group, numbers in enumerate(panels.values()):
        assert (numbers == chosen[group] - 3 * group).all()
    plain = _panels(SpatialMoE2d(3, 2, 4, grid=(4, 6)), [])
    assert list(plain) == ["output 1 of 2", "output 2 of 2"]


def test_a_coarser_grid_is_drawn_where_it_stands_and_use_is_counted() -> None:
    chosen = {"output 1": np.array([[0, 1], [1, 1]])}
    grid = Grid(np.arange(4.0, 0, -1), np.arange(6.0))
    figure = draw(chosen, grid, experts=12, title="t")
    drawn = np.asarray(figure.axes[0].collections[0].get_array())
    top, low = [0, 0, 0, 1, 1, 1], [1] * 6
    assert drawn.tolist() == [top, top, low, low]
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights[:3] == [25, 75, 0]
    assert len(heights) == 12
