"""A mirror of WeatherBench 2 that means harm: nothing outside the run's folder, nothing is run."""

import json
import pickle
import zlib
from pathlib import Path

import numcodecs
import pytest
from loopback import Shelf, serving
from made_zarr import dataset, stored
from raw_files import find_raw_files
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.data.sources.zarr_stores import weatherbench2 as source
from smoecast.errors import InputError
from smoecast.fields.read.open import open_files
from smoecast.tasks.download import download

CONFIG = """
name: wb2
data:
  source: weatherbench2
  years: [2016]
  channels: [t2m]
download: {retry_minutes: 0.01}
"""
ROOT = f"/{source.STORE}/"
T2M = "2m_temperature"


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    made = stored(dataset()[[T2M]], tmp_path_factory.mktemp("made"))
    return {ROOT + key: content for key, content in made.items()}


@pytest.fixture
def shelf(objects):
    with serving(Shelf(dict(objects))) as shelf:
        yield shelf


@pytest.fixture(autouse=True)
def unpickling(monkeypatch):
    """As numcodecs before 0.16.6 did unasked."""
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True)


def changed(shelf, change):
    metadata = json.loads(shelf.files[f"{ROOT}.zmetadata"])
    change(metadata["metadata"])
    shelf.files[f"{ROOT}.zmetadata"] = json.dumps(metadata).encode()


def refused(shelf, tmp_path, words):
    """The command ends with exit code 3 and has written nowhere but in its own folder."""
    folder = tmp_path / "runs"
    config = yaml_file.parse(
        CONFIG, "wb2.yaml", [f"folder={folder}", f"download.url={shelf.address}"]
    )
    with pytest.raises(InputError, match=words):
        download(config)
    path = tmp_path / "wb2.yaml"
    path.write_text(yaml_file.dump(config))
    result = CliRunner().invoke(app, ["download", "-c", str(path)])
    assert result.exit_code == 3, result.output
    ours = {path, *(config.place / "records").glob("*.json")}
    written = {p for p in tmp_path.rglob("*") if p.is_file()} - ours
    assert all(p.is_relative_to(config.raw) for p in written)


@pytest.mark.parametrize(
    "name",
    ["../../cron.d", "../../../../../../etc/cron.d", "/etc/cron.d", "a/../../b", "c:\\d", ".d"],
)
def test_names_of_dimensions_that_lead_out(shelf, tmp_path, name):
    """The time axis under another name: its chunk would be written there, with any content."""

    def change(metadata):
        for kind in (".zarray", ".zattrs"):
            metadata[f"{name}/{kind}"] = metadata[f"latitude/{kind}"]
        metadata[f"{T2M}/.zattrs"]["_ARRAY_DIMENSIONS"][2] = name
        metadata[f"{T2M}/.zattrs"]["_ARRAY_DIMENSIONS"].append("latitude")
        for key in ("shape", "chunks"):
            metadata[f"{T2M}/.zarray"][key].append(1)

    changed(shelf, change)
    for key in (f"{ROOT}{name}/0", f"/{Path(name).name}/0", f"{name}/0"):
        shelf.files[key] = b"* * * * * root sh"
    refused(shelf, tmp_path, "has a name that leads out of the store")


def test_a_separator_that_leads_out(shelf, tmp_path):
    changed(shelf, lambda m: m[f"{T2M}/.zarray"].update(dimension_separator="/../../../../x"))
    refused(shelf, tmp_path, "laid out in another way than Zarr v2 knows")


class Trap:
    """What, unpickled, makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("array", ["time", "latitude", T2M])
@pytest.mark.parametrize(
    "changes",
    [
        {"compressor": {"id": "pickle"}},
        {"compressor": {"id": "pickle"}, "filters": [{"id": "vlen-utf8"}], "dtype": "|O"},
        {"compressor": {"id": "zlib"}, "filters": [{"id": "pickle"}]},
    ],
    ids=str,
)
def test_no_pickle_from_a_server_runs(shelf, tmp_path, array, changes):
    marker = tmp_path / "it ran"
    changed(shelf, lambda metadata: metadata[f"{array}/.zarray"].update(changes))
    content = pickle.dumps(Trap(marker))
    for key in shelf.files:
        if key.startswith(f"{ROOT}{array}/") and not key.endswith((".zarray", ".zattrs")):
            shelf.files[key] = zlib.compress(content) if "zlib" in str(changes) else content
    refused(shelf, tmp_path, r"names the codec 'pickle', which is not run|\|O', which are not read")
    assert not marker.exists()
    assert not any(key.endswith("/0") for key, _ in shelf.asked)


@pytest.mark.parametrize(
    ("array", "changes", "words"),
    [
        ("time", {"shape": [2_000_000_000]}, "has a size of 2000000000"),
        ("time", {"chunks": [0]}, "has a size of 0"),
        (T2M, {"shape": [10_000_000, 8, 4], "chunks": [1, 8, 4]}, "not 0 to 2000000"),
    ],
)
def test_sizes_that_nothing_real_has(shelf, tmp_path, array, changes, words):
    changed(shelf, lambda metadata: metadata[f"{array}/.zarray"].update(changes))
    refused(shelf, tmp_path, words)


def test_a_bomb_in_a_chunk(shelf, tmp_path):
    changed(shelf, lambda metadata: metadata["latitude/.zarray"].update(compressor={"id": "bz2"}))
    shelf.files[f"{ROOT}latitude/0"] = bytes(numcodecs.BZ2().encode(bytes(50 * 2**20)))
    refused(
        shelf, tmp_path, r"latitude/0: this is no chunk of latitude \(it does not make \d+ bytes"
    )


def test_metadata_nested_without_end(shelf, tmp_path):
    shelf.files[f"{ROOT}.zmetadata"] = b'{"metadata": ' + b"[" * 100_000
    refused(shelf, tmp_path, "no consolidated metadata of a Zarr v2 group")


@pytest.mark.parametrize("units", ["hours since the flood", "days since 9999-01-01", "K", [1]])
def test_times_that_mean_nothing(shelf, tmp_path, units):
    changed(shelf, lambda metadata: metadata["time/.zattrs"].update(units=units))
    refused(shelf, tmp_path, "its times cannot be read|has an attribute units that is no word")


@pytest.mark.parametrize("dimensions", [["longitude", "latitude", "time"], ["a", "b", "c"]])
def test_fields_without_times(shelf, tmp_path, dimensions):
    def change(metadata):
        del metadata["time/.zarray"]
        metadata[f"{T2M}/.zattrs"]["_ARRAY_DIMENSIONS"] = dimensions

    changed(shelf, change)
    refused(shelf, tmp_path, "not all of which are places, times or levels")


def test_an_array_without_points(shelf, tmp_path):
    changed(shelf, lambda metadata: metadata["latitude/.zarray"].update(shape=[0]))
    config = yaml_file.parse(
        CONFIG, "wb2.yaml", [f"folder={tmp_path}", f"download.url={shelf.address}"]
    )
    download(config)
    with pytest.raises(InputError, match="latitude"):
        open_files(find_raw_files(config))
