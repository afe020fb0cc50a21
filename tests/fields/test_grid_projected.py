"""Places on map projections: the same or not, in words, and there and back."""

import numpy as np
import pytest
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.grid import (
    Grid,
    ProjectedGrid,
    place_from_dict,
    place_of,
    same_place,
    with_projection,
)
from smoecast.names import PROJECTION

LAMBERT = {"grid_mapping_name": "lambert_azimuthal_equal_area", "longitude_of_origin": -2.5}


def plane(**mapping: object) -> ProjectedGrid:
    return ProjectedGrid(np.arange(3) * 2000.0, np.arange(4) * 2000.0, dict(mapping))


def dataset() -> xr.Dataset:
    axes = {
        name: (name, np.arange(n) * 2000.0, {"units": "m"})
        for name, n in zip(PROJECTION, (3, 4), strict=True)
    }
    field = (PROJECTION, np.zeros((3, 4), np.float32), {"grid_mapping": "lambert"})
    made = xr.Dataset({"t2m": field}, axes)
    return made.assign_coords(lambert=((), np.int32(0), {**LAMBERT, "parallels": np.array([1.0])}))


def test_there_and_back() -> None:
    found = place_of(dataset())
    assert isinstance(found, ProjectedGrid)
    assert found.mapping == {**LAMBERT, "parallels": [1.0]}
    assert same_place(place_from_dict(found.to_dict()), found)
    assert found.describe().startswith("3 x 4 points of lambert_azimuthal_equal_area, y 0 to 4000")
    np.testing.assert_array_equal(found.weights(), np.ones(3))


def test_same_or_not() -> None:
    grid = Grid(np.array([10.0, 0.0]), np.array([0.0, 10.0]))
    assert same_place(plane(), plane(a=1))
    assert not same_place(plane(a=2), plane(a=1))
    assert not same_place(plane(), ProjectedGrid(plane().y + 500, plane().x, {}))
    assert not same_place(plane(), ProjectedGrid(plane().y[:2], plane().x, {}))
    assert not same_place(plane(), grid)
    assert not same_place(grid, plane())
    assert same_place(grid, grid)
    assert isinstance(place_from_dict(grid.to_dict()), Grid)


def test_a_projection_comes_along() -> None:
    source = dataset()
    bare = source["t2m"].drop_attrs().drop_vars("lambert")
    found = with_projection(bare, source)
    assert found.attrs == {"grid_mapping": "lambert"}
    assert found["lambert"].attrs["grid_mapping_name"] == LAMBERT["grid_mapping_name"]
    assert found[PROJECTION[0]].attrs == {"units": "m"}
    without = with_projection(bare, source.drop_vars("lambert"))
    assert without.attrs == {}
    regular = xr.DataArray(np.zeros((2, 2)), dims=("latitude", "longitude"))
    assert with_projection(regular, source) is regular


def test_neither_is_refused() -> None:
    with pytest.raises(InputError, match="no dimension latitude"):
        place_of(xr.Dataset({"t": ("x", np.zeros(3))}))
