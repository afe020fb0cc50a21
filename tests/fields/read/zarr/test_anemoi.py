"""Training sets of ECMWF: a regular grid whole and right, whatever the order of its points."""

import json
from pathlib import Path
from typing import Any

import dask
import made_anemoi
import numpy as np
import pytest
from made_anemoi import DATES, KEPT, LATITUDE, LONGITUDE, VARIABLES, fields, grid, metadata, store

from smoecast.config import yaml_file
from smoecast.data.readings import reading_of
from smoecast.data.sources.files import expand
from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import left_out_of
from smoecast.fields.read.open import open_file
from smoecast.fields.read.zarr.array import ZarrArray
from smoecast.fields.store.store import open_store
from smoecast.tasks.preprocess.preprocess import preprocess

THEIRS = [name for name in VARIABLES if name not in ("cos_latitude", "insolation", "sdor")]
SHAPE = (len(LATITUDE), len(LONGITUDE))


def opened(folder: Path) -> Any:
    (path,) = expand([str(folder)], "data.files")
    return open_file(path)


def check(found: Any, values: np.ndarray | None = None) -> None:
    values = fields() if values is None else values
    assert channels_of(found) == sorted(KEPT)
    np.testing.assert_array_equal(found["latitude"], LATITUDE)
    np.testing.assert_array_equal(found["longitude"], LONGITUDE)
    np.testing.assert_array_equal(found["time"], DATES)
    for name, theirs in zip(KEPT, THEIRS, strict=True):
        wanted = values[:, VARIABLES.index(theirs), 0].reshape(-1, *SHAPE)
        wanted = wanted / 100 if name == "r700" else wanted
        mine = field_of(found, name).values
        np.testing.assert_allclose(mine, wanted[0] if mine.ndim == 2 else wanted, rtol=1e-6)


def refused(folder: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        opened(folder).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("units", [True, False], ids=["with units", "without"])
@pytest.mark.parametrize("version", [2, 3])
def test_whole_and_right(tmp_path: Path, version: int, units: bool) -> None:
    made = store(tmp_path / "a.zarr", version=version, variables_metadata=metadata(units))
    found = opened(made)
    check(found)
    assert found.attrs["license"] == "CC-BY-4.0"
    assert [str(one) for one in left_out_of(found)] == [
        "cos_latitude (computed from time and place)",
        "insolation (computed from time and place)",
        "sdor",
    ]


@pytest.mark.parametrize("how", ["from south", "by column", "shuffled", "from the date line"])
def test_any_order_of_the_points(tmp_path: Path, how: str) -> None:
    latitude, longitude = grid()
    square = np.arange(len(latitude)).reshape(SHAPE)
    order = {
        "from south": square[::-1].ravel(),
        "by column": square.T.ravel(),
        "shuffled": np.random.default_rng(1).permutation(square.ravel()),
        "from the date line": np.roll(square, 4, axis=1).ravel(),
    }[how]
    longitude = longitude[order]
    if how == "from the date line":
        longitude = np.where(longitude >= 180, longitude - 360, longitude)
    points = (latitude[order].astype("f4"), longitude.astype("f4"))
    check(opened(store(tmp_path / "a.zarr", fields()[..., order], points)))


def test_a_region(tmp_path: Path) -> None:
    latitude, longitude = grid()
    here = (latitude > 0) & ((longitude > 300) | (longitude < 60))
    found = opened(
        store(tmp_path / "a.zarr", fields()[..., here], (latitude[here], longitude[here]))
    )
    assert found["longitude"].values.tolist() == [-45, 0, 45]
    assert found["latitude"].values.tolist() == [90, 60, 30]
    wanted = fields()[:, VARIABLES.index("2t"), 0].reshape(-1, *SHAPE)[:, :3][..., [-1, 0, 1]]
    np.testing.assert_array_equal(found["t2m"], wanted)


def test_members(tmp_path: Path) -> None:
    found = opened(store(tmp_path / "a.zarr", fields(members=3)))
    assert found["t2m"].sizes["number"] == 3
    wanted = fields(members=3)[:, VARIABLES.index("2t")].reshape(-1, 3, *SHAPE)
    np.testing.assert_array_equal(found["t2m"].squeeze("lead_time"), wanted)


@pytest.mark.parametrize("how", ["reduced", "one less", "rotated"])
def test_points_that_make_no_grid(tmp_path: Path, how: str) -> None:
    latitude, longitude = grid()
    if how == "reduced":
        longitude = np.where(latitude == 90, longitude / 2, longitude)
    if how == "rotated":
        latitude = latitude + longitude / 1000
    count = len(latitude) - (how == "one less")
    made = store(tmp_path / "a.zarr", fields(count), (latitude[:count], longitude[:count]))
    refused(
        made, rf"a\.zarr: its {count} points \(45\) make no regular latitude-longitude grid, but"
    )


def test_missing_dates(tmp_path: Path) -> None:
    """At both ends they are left out; in between they are refused by name, once they are read."""
    values, gone = fields(), [0, 1, 15]
    values[gone] = np.nan
    made = store(tmp_path / "a.zarr", values, missing_dates=[str(DATES[i]) for i in gone])
    found = opened(made)
    np.testing.assert_array_equal(found["time"], DATES[2:15])
    assert bool(found["t2m"].notnull().all())
    made = store(tmp_path / "b.zarr", missing_dates=[str(DATES[7])])
    found = opened(made)
    found["t2m"][8:].load()
    with pytest.raises(InputError, match=r"2020-01-02T18.* is one of its missing dates: take"):
        found["t2m"].load()
    everything = [str(date) for date in DATES]
    refused(store(tmp_path / "c.zarr", missing_dates=everything), "all of its 16 dates are missing")
    refused(store(tmp_path / "d.zarr", missing_dates=["soon"]), "missing_dates has no dates")


def test_each_chunk_is_decoded_once_for_all_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, asked, decode = store(tmp_path / "a.zarr"), [], ZarrArray.decode

    def count(self: ZarrArray, path: Path, what: str) -> Any:
        asked.append(what)
        return decode(self, path, what)

    found = opened(made)
    monkeypatch.setattr(ZarrArray, "decode", count)
    with dask.config.set(scheduler="synchronous"):
        found[["t2m", "z500", "msl"]].load()
    assert len(asked) == len(set(asked)) == len(DATES)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("z_500", {"mars": {"param": "z", "levtype": "ml", "levelist": 500}}, "of the type ml"),
        ("z_500", {"mars": {"param": "z", "levtype": "pl", "levelist": "500/850"}}, "MARS calls"),
        ("z_500", {"mars": {"param": "t", "levtype": "pl", "levelist": 500}}, "MARS calls t"),
        ("z_500", {"mars": {}}, ""),
        ("t_850", {"mars": {"param": "t_850", "levtype": "sfc"}}, ""),
        ("tp", {"mars": {"param": "tp", "levtype": "sfc"}}, "over hours that are not told"),
        ("tp", {"mars": {"param": "tp"}, "period": ["0h", "12h"]}, "over 12 h"),
        ("tp", {"mars": {"param": "tp"}, "period": "ab"}, "over hours that are not told"),
        ("2t", {"mars": {"param": "2t"}, "process": "maximum"}, "maximum over time"),
        ("z", {"mars": {"param": "z", "levtype": "pv", "levelist": 2000}}, "of the type pv"),
    ],
    ids=str,
)  # fmt: skip
def test_nothing_is_guessed(tmp_path: Path, name: str, changes: dict, words: str) -> None:
    said = metadata() | {name: changes}
    if name == "z":
        said["z"] = changes
    found = opened(store(tmp_path / "a.zarr", variables_metadata=said))
    (left,) = [one for one in left_out_of(found) if one.name == name]
    assert words in str(left)


def test_winds_at_10_hpa(tmp_path: Path) -> None:
    said = metadata() | {"10u": {"mars": {"param": "u", "levtype": "pl", "levelist": 10}}}
    names = ["u_10" if name == "10u" else name for name in VARIABLES]
    said["u_10"] = said.pop("10u")
    found = opened(store(tmp_path / "a.zarr", variables=names, variables_metadata=said))
    wanted = fields()[:, names.index("u_10"), 0].reshape(-1, *SHAPE)
    np.testing.assert_allclose(field_of(found, "u_10hPa"), wanted, rtol=1e-6)
    assert "u10" not in channels_of(found)


def test_a_level_of_no_channel(tmp_path: Path) -> None:
    names = ["z_0" if name == "z_500" else name for name in VARIABLES]
    said = metadata() | {"z_0": {"mars": {"param": "z", "levtype": "pl", "levelist": 0}}}
    found = opened(store(tmp_path / "a.zarr", variables=names, variables_metadata=said))
    assert "z_0 (on 0 hPa, where no channel is)" in map(str, left_out_of(found))


def test_snow_is_in_the_units_of_mars_and_over_hours_that_are_told(tmp_path: Path) -> None:
    names = [{"2t": "sd", "msl": "sf"}.get(name, name) for name in VARIABLES]
    said = metadata(units=False) | {name: {"mars": {"param": name}} for name in ("sd", "sf")}
    found = opened(store(tmp_path / "a.zarr", variables=names, variables_metadata=said))
    metres = fields()[:, names.index("sd"), 0].reshape(-1, *SHAPE)
    np.testing.assert_allclose(field_of(found, "sd"), 1000 * metres, rtol=1e-6)
    assert "sf (over hours that are not told)" in map(str, left_out_of(found))


def test_a_temperature_without_a_level(tmp_path: Path) -> None:
    names = ["t" if name == "t_850" else name for name in VARIABLES]
    said = metadata() | {"t": {"mars": {"param": "t", "levtype": "sfc"}}}
    found = opened(store(tmp_path / "a.zarr", variables=names, variables_metadata=said))
    assert "t (without a pressure level)" in map(str, left_out_of(found))


def test_hourly_precipitation_and_what_the_request_says(tmp_path: Path) -> None:
    """Older stores say levels in the request to MARS alone, and hours as numbers."""
    said = {"tp": {"mars": {"param": "tp"}, "period": [0, 1]}}
    asked = {"param_level": {"pl": [["z", 500], ["t", "850"]], "sfc": ["2t"]}}
    found = opened(store(tmp_path / "a.zarr", variables_metadata=said, data_request=asked))
    assert {"z500", "t850", "tp", "t2m"} <= set(channels_of(found))
    assert "r700" not in channels_of(found)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"variables": ["z_500"]}, "names 1 variables, but it has 12"),
        ({"variables": ["2t"] * 12}, "names 1 variables, but it has 12"),
        ({"variables": [f"sd{i}" for i in range(12)]}, "no variable that smoecast knows among sd0"),
        ({"variables": ["2t", "t2m", *VARIABLES[2:]], "variables_metadata": 3}, "has t2m twice"),
    ],
)
def test_variables_that_are_not_told(tmp_path: Path, attributes: dict, words: str) -> None:
    refused(store(tmp_path / "a.zarr", **attributes), words)


def without(folder: Path, name: str) -> Path:
    for file in sorted((folder / name).rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    return folder


def test_zeros_are_values_whatever_fills(tmp_path: Path) -> None:
    """In Zarr v2 zarr takes 0 for what is not there, also of latitudes and of precipitation."""
    values = fields()
    values[3:5, VARIABLES.index("tp")] = 0.0
    made = store(tmp_path / "a.zarr", values, version=2)
    entry = made / "data" / ".zarray"
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"fill_value": 0.0}))
    check(opened(made), values)
    (made / "data" / "9.0.0.0").unlink()
    refused(made, "the chunk is missing, and the store says 0 for what is missing, which is no wea")


def test_points_and_dates_that_are_not_there(tmp_path: Path) -> None:
    refused(without(store(tmp_path / "a.zarr"), "latitudes"), "has no latitudes and longitudes")
    refused(without(store(tmp_path / "b.zarr"), "dates"), "has not one date a field")
    latitude, longitude = grid()
    latitude[3] = np.nan
    refused(store(tmp_path / "c.zarr", points=(latitude, longitude)), "of its points are missing")
    made = store(tmp_path / "d.zarr")
    file = made / "latitudes" / "zarr.json"
    said = json.loads(file.read_text())
    said["attributes"]["_ARRAY_DIMENSIONS"] = ["row"]
    said["shape"] = [7]
    file.write_text(json.dumps(said))
    refused(made, "has not one latitude and longitude a point")


def test_a_chunk_that_is_not_there(tmp_path: Path) -> None:
    made = store(tmp_path / "a.zarr")
    (made / "data" / "c" / "9" / "0" / "0" / "0").unlink()
    config = f"""
name: a
data:
  source: files
  files: [{made}]
  channels: [z500, t850, t2m]
"""
    with pytest.raises(InputError, match=r"a\.zarr: z500 has 168 missing values at 2020-01-03T06"):
        preprocess(yaml_file.parse(config, "a.yaml", [f"folder={tmp_path}/run"]))
    store(made)
    ready = yaml_file.parse(config, "a.yaml", [f"folder={tmp_path}/run", "data.constants=[lsm]"])
    preprocess(ready)
    with open_store(ready.store) as found:
        values = found["fields"].values
    for at, name in enumerate(("z_500", "t_850", "2t")):
        wanted = made_anemoi.fields()[:, VARIABLES.index(name), 0].reshape(-1, *SHAPE)
        np.testing.assert_array_equal(values[:, at], wanted)


def test_variables_are_selected_by_their_name_in_the_store(tmp_path: Path) -> None:
    (path,) = expand([str(store(tmp_path / "a.zarr"))], "data.files")
    reading = reading_of({"not": {"variable": ["2t", "z_500"]}}, {}, "data")
    found = channels_of(open_file(path, reading=reading))
    assert found == sorted(set(KEPT) - {"t2m", "z500"})
    reading = reading_of({"variable": "t2m"}, {}, "data")
    with pytest.raises(
        InputError, match=r"a\.zarr: no variable is called t2m, but there is 10u, 2t"
    ):
        open_file(path, reading=reading)


def test_levels_of_which_nothing_is_said(tmp_path: Path) -> None:
    found = opened(store(tmp_path / "a.zarr", variables_metadata={}))
    told = [str(one) for one in left_out_of(found)]
    assert "t_850 (the store does not say that its level is a pressure)" in told
