"""ENS-10 in its exact layout, from a server on loopback to the store and the calibration."""

import errno
import io
import json
import os
import shutil
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pytest
import xarray as xr
from loopback import Shelf, serving
from made_buckets import Bucket, BucketHandler
from made_ens10 import NUMBERS, YEARS, decoded, file, lean, message

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.data.download import http
from smoecast.data.download.grib_filter import GribSieve
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.remote_file import RemoteFile
from smoecast.data.download.retry import Limits, RetryBudget
from smoecast.data.sources.ens10 import reduce
from smoecast.data.sources.ens10 import source as ens10_source
from smoecast.data.sources.ens10.open import open_fields
from smoecast.data.sources.registry import request_of
from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.fields.store.store import open_store
from smoecast.tasks.download import download, list_sources, plan
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.training.model_files import load_tensors

DAYS = ("0104", "0108")
CHUNK = 1 << 15
"""Less than a file."""
GONE = ("t", 850, 2003, 7, 48)
CONFIG = """
name: hindcasts
data: {source: none}
postprocess:
  source: ens10
  channels: [t850, t2m, sst]
  targets: [t2m]
  lead_hours: [48]
  ens10: {months: [1]}
  split:
    train: [1998-01-01, 2013-12-31]
    validation: [2014-01-01, 2015-12-31]
    test: [2016-01-01, 2017-12-31]
  network: {width: 4, blocks: 1, smoe: {layers: last}}
  training: {epochs: 1, batch_size: 16, threads: 1}
download: {retry_minutes: 0.05, parallel: 2}
"""


FIRST = date(2018, 1, 4)
ALL_DATES = ens10_source.DATES
DATES = (FIRST, date(2018, 1, 8), date(2018, 2, 1))


@pytest.fixture(scope="module")
def contents():
    """Two dates of both kinds; one message of the second date's levels is missing."""
    found = {}
    for day in DAYS:
        found[f"/output.sfc.2018{day}"] = file("sfc", day, ["t2m", "sst"], lean())
        gone = GONE if day == DAYS[1] else None
        # a variable without a name here; of the first year, to be quick
        found[f"/output.pl.2018{day}"] = file(
            "pl",
            day,
            ["t", "d"],
            lean(lambda k, gone=gone: k != gone and (k[0] == "t" or k[2] == 1998)),
        )
    return found


@pytest.fixture
def shelf(contents):
    with pytest.MonkeyPatch.context() as patch, serving(Shelf(dict(contents))) as shelf:
        patch.setattr(ens10_source, "DATES", DATES)
        yield shelf


@dataclass(frozen=True)
class Fetched:
    """A run whose files were fetched once: what was said, and how large each part became."""

    config: Config
    said: str
    sizes: tuple[int, ...]
    asked: int
    planned: int


@pytest.fixture(scope="module")
def fetched(contents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ens10")
    sizes: list[int] = []
    append = GribSieve.append

    def watched(part, chunk):
        append(part, chunk)
        sizes.append(part.path.stat().st_size)

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, serving(Shelf(dict(contents))) as shelf:
        patch.setattr(ens10_source, "DATES", DATES)
        patch.setattr(GribSieve, "append", watched)
        config = parse(shelf, folder)
        planned = plan(config)["bytes"]
        with redirect_stderr(said):
            download(config)
            asked = len(shelf.asked)
            download(config)
        assert len(shelf.asked) == asked
        yield Fetched(config, said.getvalue(), tuple(sizes), asked, planned)


def parse(shelf, folder, *overrides):
    where = [f"folder={folder}", f"download.url={shelf.address}"] if shelf else []
    return yaml_file.parse(CONFIG, "hindcasts.yaml", [*where, *overrides])


def members(contents, kind, day, key):
    """Return one variable at 48 h, (years, members, rows, columns) float64."""
    fields = decoded(contents[f"/output.{kind}.2018{day}"])
    gone = np.full_like(next(iter(fields.values())), np.nan)
    return np.stack([[fields.get((*key, year, n, 48), gone) for n in NUMBERS] for year in YEARS])


def kept(config, suffix):
    """Return the files of a run that stay, without the name of the request."""
    folder = config.raw / "ensembles"
    return {p.name.rsplit("_", 1)[0]: p for p in sorted(folder.iterdir()) if p.suffix == suffix}


def test_statistics_equal_those_of_numpy_and_the_missing_message_is_named(fetched, contents):
    said = fetched.said
    assert "licence: CC BY 4.0; attribution: ECMWF" in said
    assert (
        "/output.pl.20180108: t850 at init_time 2003-01-08T00:00, lead_time 48 h, number 7 "
        "missing: 2003-01-08T00:00 is left out" in said
    )
    files = kept(fetched.config, ".nc")
    assert list(files) == [f"ens10_{kind}_2018{day}" for kind in ("pl", "sfc") for day in DAYS]
    for kind, key, name in (("pl", ("t", 850), "t850"), ("sfc", ("t2m", 0), "t2m")):
        for day in DAYS:
            years = [y for y in YEARS if (kind, day, y) != ("pl", "0108", 2003)]
            chosen = [y - YEARS[0] for y in years]
            expected = members(contents, kind, day, key)[chosen]
            with xr.open_dataset(files[f"ens10_{kind}_2018{day}"], decode_timedelta=True) as made:
                dates = [f"{y}-{day[:2]}-{day[2:]}" for y in years]
                assert (
                    made["init_time"].values.astype("datetime64[D]").astype(str).tolist() == dates
                )
                assert made.attrs["license"] == "CC BY 4.0"
                mean, std = made[f"{name}_mean"].values[:, 0], made[f"{name}_std"].values[:, 0]
            assert mean.dtype == np.float32
            np.testing.assert_allclose(mean, expected.mean(axis=1), rtol=1e-6)
            np.testing.assert_allclose(
                std, expected.astype("f4").std(axis=1, ddof=1, dtype="f8"), rtol=1e-6
            )
            np.testing.assert_allclose(std, expected.std(axis=1, ddof=1), rtol=1e-5)


def test_what_came_is_deleted_and_described(fetched):
    assert fetched.planned == 2 * (24_000_000_000 + 3_400_000_000)
    assert fetched.asked == 4
    folder = fetched.config.raw / "ensembles"
    left = {p.suffix for p in folder.iterdir() if not p.name.startswith(".")}
    assert left == {".nc", ".json"}
    notes = Manifest(folder).get(kept(fetched.config, ".nc")["ens10_pl_20180108"].name).notes
    assert notes == {
        "licence": ens10_source.ABOUT.licence,
        "channels": ["t850"],
        "lead_hours": [48],
        "missing": ["t850 at init_time 2003-01-08T00:00, lead_time 48 h, number 7"],
    }
    assert plan(fetched.config)["bytes"] == 0


def test_another_request_needs_the_file_again():
    def names(*overrides):
        config = yaml_file.parse(CONFIG, "x.yaml", overrides)
        return {
            name
            for remote in ens10_source.list_files(request_of(config, "ensembles"))
            for name in (remote.name, *remote.final_names)
        }

    one = names("postprocess.channels=[t2m, msl]")
    assert names("postprocess.channels=[msl, t2m]") == one
    assert not one & names("postprocess.channels=[t2m]")
    assert not one & names("postprocess.channels=[t2m, msl]", "postprocess.lead_hours=[24]")


def test_the_disk_never_holds_more_than_what_is_wanted(fetched):
    # at the surface 2 variables of 2 at 1 of 3 steps
    one = sum(len(message((name, 0, 1998, 1, 48), "0104")) for name in ("t2m", "sst"))
    assert max(fetched.sizes) == len(YEARS) * len(NUMBERS) * one


def test_the_store_holds_moments_of_the_starts_that_both_kinds_have(fetched, contents):
    config = fetched.config
    made = preprocess(config)["ensembles"]
    assert made["shape"] == {
        "init_time": 39,
        "lead_time": 1,
        "channel": 6,
        "latitude": 7,
        "longitude": 12,
    }
    assert made["split"] == {"train": 31, "validation": 4, "test": 4}
    with open_store(config.ensemble_store) as store:
        fields = store["fields"]
        assert fields["channel"].values.tolist() == [
            *("t850_mean", "t2m_mean", "sst_mean"),
            *("t850_std", "t2m_std", "sst_std"),
        ]
        starts = fields["init_time"].values
        assert (np.diff(starts) > np.timedelta64(0)).all()
        second = fields.sel(init_time=[f"{y}-01-08" for y in YEARS if y != 2003]).values[:, 0]
    expected = np.delete(members(contents, "pl", "0108", ("t", 850)), 2003 - YEARS[0], axis=0)
    np.testing.assert_allclose(second[:, 0], expected.mean(axis=1), rtol=1e-6)
    sea = np.delete(members(contents, "sfc", "0108", ("sst", 0)), 2003 - YEARS[0], axis=0)
    land = np.isnan(sea[0, 0])
    assert land.sum() == 3
    np.testing.assert_allclose(
        second[:, 2][:, land], np.nanmean(sea, axis=(1, 2, 3))[:, None].repeat(3, 1), rtol=1e-6
    )
    assert (second[:, 5][:, land] == 0).all()
    assert (second[:, 5][:, ~land] > 0).all()


ONE = ("download.parallel=1", "postprocess.channels=[t2m]")


def test_members_stay_members(shelf, contents, tmp_path, monkeypatch):
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    overrides = ("postprocess.channels=[t2m, sst]", "postprocess.ens10.keep=members")
    config = parse(shelf, tmp_path, *overrides)
    download(config)
    made = preprocess(config)["ensembles"]["shape"]
    assert (made["init_time"], made["number"], made["channel"]) == (20, 10, 2)
    assert list(kept(config, ".grib")) == ["ens10_sfc_20180104"]
    with open_store(config.ensemble_store) as store:
        one = store["fields"].sel(init_time="1998-01-04", channel="t2m").values[0]
    expected = members(contents, "sfc", "0104", ("t2m", 0))[0].astype(np.float32)
    np.testing.assert_array_equal(one, expected)


def test_a_cut_connection_costs_no_byte(shelf, contents, tmp_path, monkeypatch):
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    shelf.cuts = [50_001, 25_000]
    download(parse(shelf, tmp_path, *ONE))
    assert shelf.sent["/output.sfc.20180104"] == len(contents["/output.sfc.20180104"])


def test_a_killed_download_goes_on(shelf, contents, tmp_path, monkeypatch):
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    config, path = parse(shelf, tmp_path, *ONE), "/output.sfc.20180104"
    append, had = GribSieve.append, []

    def killed(part, chunk):
        append(part, chunk)
        if part.journal.exists():  # at the first whole message; a chunk is less than the file
            had.append(json.loads(part.journal.read_text())["read"])
            raise KeyboardInterrupt

    shelf.pause = 0.01  # so that it comes in small chunks
    monkeypatch.setattr(http, "CHUNK", CHUNK)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(GribSieve, "append", killed)
        download(config)
    shelf.sent.clear()
    download(config)
    assert shelf.answered == [200, 206]
    assert shelf.sent[path] <= len(contents[path]) - had[0] + CHUNK
    with xr.open_dataset(kept(config, ".nc")["ens10_sfc_20180104"]) as made:
        mean = made["t2m_mean"].values[:, 0]
    expected = members(contents, "sfc", "0104", ("t2m", 0)).mean(axis=1)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_killed_between_sifting_and_statistics(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    config = parse(shelf, tmp_path, *ONE)

    def killed(path, request, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reduce, "make", killed)
        download(config)
    shelf.asked.clear()
    download(config)
    assert not shelf.asked
    assert len(kept(config, ".nc")) == 1


def test_both_addresses_are_tried(shelf, contents, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    monkeypatch.setattr(ens10_source, "NEWER", f"{shelf.address}/new")
    monkeypatch.setattr(ens10_source, "OLDER", f"{shelf.address}/old")
    shelf.files["/old/output.sfc.20180104"] = contents["/output.sfc.20180104"]
    download(yaml_file.parse(CONFIG, "x.yaml", [f"folder={tmp_path}", *ONE]))
    assert "trying another way" in capsys.readouterr().err
    assert [path.split("/")[1] for path, _ in shelf.asked] == ["new", "old"]


def test_the_older_address_serves_while_the_newer_is_busy(contents, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    path = "/output.sfc.20180104"
    with (
        serving(Bucket({path: contents[path]}, busy=1), BucketHandler) as newer,
        serving(Bucket({path: contents[path]}), BucketHandler) as older,
    ):
        monkeypatch.setattr(ens10_source, "NEWER", newer.address)
        monkeypatch.setattr(ens10_source, "OLDER", older.address)
        config = yaml_file.parse(CONFIG, "x.yaml", [f"folder={tmp_path}", *ONE])
        download(config)
    assert [newer.answered, older.answered] == [[503], [200]]
    assert f"503 (SlowDown); asking {older.address}{path}" in capsys.readouterr().err
    assert len(kept(config, ".nc")) == 1


def test_addresses_and_dates(monkeypatch):
    monkeypatch.setattr(ens10_source, "DATES", ALL_DATES)
    assert len(ALL_DATES) == 105
    assert (ALL_DATES[0], ALL_DATES[-1]) == (date(2018, 1, 1), date(2018, 12, 31))
    config = yaml_file.parse(CONFIG, "x.yaml", ["postprocess.ens10.months=[]"])
    remotes = ens10_source.list_files(request_of(config, "ensembles"))
    assert len(remotes) == 210
    older = "https://storage.ecmwf.europeanweather.cloud/MAELSTROM_AP4/output.sfc.20180101"
    assert ens10_source.hooks(request_of(config, "ensembles")).locate(
        remotes[1], RetryBudget(Limits())
    ) == [
        replace(remotes[1], mirrors=(older,)),
        RemoteFile(remotes[1].name, older, about=3_400_000_000, gives=remotes[1].gives),
    ]
    assert remotes[1].url == (
        "https://object-store.os-api.cci1.ecmwf.int/maelstrom-ap4/output.sfc.20180101"
    )
    assert "ens10" in [source["name"] for source in list_sources()["sources"]]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["postprocess.lead_hours=[24, 72]"], "names 72, but source ens10 has 0, 24 and 48 h"),
        (["postprocess.channels=[t2m, d2m]"], "names d2m, which source ens10 lacks; it has z<lev"),
        (["postprocess.channels=[t2m, z600]"], "names z600, but source ens10 has z at 10 50"),
    ],
)
def test_what_it_lacks_is_said(overrides, words):
    with pytest.raises(ConfigError, match=words):
        ens10_source.list_files(
            request_of(yaml_file.parse(CONFIG, "x.yaml", overrides), "ensembles")
        )


def only(shelf, monkeypatch, content):
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    shelf.files["/output.sfc.20180104"] = content


def test_a_year_that_is_missing_is_named(shelf, tmp_path, monkeypatch, capsys):
    only(shelf, monkeypatch, file("sfc", "0104", ["t2m"], lean(lambda key: key[2] != 2017)))
    config = parse(shelf, tmp_path, *ONE)
    download(config)
    assert "every message at init_time 2017-01-04T00:00 missing: " in capsys.readouterr().err
    assert Manifest(config.raw / "ensembles").get(
        kept(config, ".nc")["ens10_sfc_20180104"].name
    ).notes["missing"] == ["every message at init_time 2017-01-04T00:00"]


def test_several_messages_of_one_start(shelf, tmp_path, monkeypatch, capsys):
    only(shelf, monkeypatch, file("sfc", "0104", ["t2m"], lean(lambda k: k[2] != 1998 or k[3] < 8)))
    download(parse(shelf, tmp_path, *ONE, "postprocess.ens10.keep=members"))
    assert (
        "t2m at init_time 1998-01-04T00:00, lead_time 48 h, number 8 and 2 more of that start "
        "missing: 1998-01-04T00:00 is left out" in capsys.readouterr().err
    )


def test_members_may_be_numbered_from_0(shelf, tmp_path, monkeypatch, capsys):
    """What counts is how many there are."""
    shifted = file("sfc", "0104", ["t2m"], lambda key: key[2] < 2000 and key[4] == 48, number=-1)
    only(shelf, monkeypatch, shifted)
    config = parse(shelf, tmp_path, *ONE)
    download(config)
    said = capsys.readouterr().err
    assert said.count("every message at init_time") == 18
    with xr.open_dataset(kept(config, ".nc")["ens10_sfc_20180104"]) as made:
        assert made.sizes["init_time"] == 2


def test_a_member_that_no_start_has_is_missing(shelf, tmp_path, monkeypatch):
    only(shelf, monkeypatch, file("sfc", "0104", ["t2m"], lambda k: k[3] != 4 and k[4] == 48))
    with pytest.raises(InputError, match=r"first missing is t2m .* lead_time 48 h, number 4"):
        download(parse(shelf, tmp_path, *ONE))


def test_a_file_that_is_too_short(shelf, tmp_path, monkeypatch):
    only(shelf, monkeypatch, file("sfc", "0104", ["t2m"], lambda k: k[2] == 1998)[:-1])
    with pytest.raises(InputError, match="the file ends within message 30: run again"):
        download(parse(shelf, tmp_path, *ONE))


def test_a_file_without_any_whole_start_does_not_stay(shelf, tmp_path, monkeypatch):
    only(shelf, monkeypatch, file("sfc", "0104", ["skt"], lean()))
    config = parse(shelf, tmp_path, *ONE)
    with pytest.raises(
        InputError,
        match=r"no start has all of its messages; the first missing is every message at init_time "
        "1998-01-04",
    ):
        download(config)
    assert not list((config.raw / "ensembles").glob("output*"))


@pytest.mark.parametrize("keep", ["members", "statistics"])
def test_a_message_that_is_there_twice(shelf, tmp_path, monkeypatch, keep):
    whole = file("sfc", "0104", ["t2m"], lambda k: k[2] < 2000 and k[4] == 48)
    only(shelf, monkeypatch, whole + file("sfc", "0104", ["t2m"], lambda k: k[2:] == (1999, 3, 48)))
    config = parse(shelf, tmp_path, *ONE, f"postprocess.ens10.keep={keep}")
    with pytest.raises(InputError, match=r"messages 13 and 21 both hold t2m"):
        download(config)
    assert not list((config.raw / "ensembles").glob("output*"))


def test_a_broken_message_is_named(shelf, tmp_path, monkeypatch):
    content = bytearray(file("sfc", "0104", ["t2m"], lambda key: key[2] == 1998))
    content[8 + 17] = 200  # the unit of the step
    only(shelf, monkeypatch, bytes(content))
    with pytest.raises(InputError, match=r"output.sfc.20180104: message 1 "):
        download(parse(shelf, tmp_path, *ONE))


def test_a_web_page_is_no_grib(shelf, tmp_path, monkeypatch):
    only(shelf, monkeypatch, b"<html>please log in</html>")
    with pytest.raises(InputError, match="message 1: no GRIB message begins with b'<htm'"):
        download(parse(shelf, tmp_path, *ONE))


def test_a_full_disk_keeps_what_came(contents, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    part = tmp_path / "part"
    part.write_bytes(contents["/output.sfc.20180104"])
    monkeypatch.setattr(reduce.os, "fsync", full)
    request = reduce.Request("sfc", FIRST, ("t2m",), (48,), "members")
    with pytest.raises(OutputError, match=r"a.grib: the disk does not take the file \(No space"):
        reduce.make(part, request, tmp_path / "a.grib")
    assert part.is_file()


def test_files_that_do_not_fit_together(fetched, tmp_path):
    config = fetched.config
    files = kept(config, ".nc")
    one, other = files["ens10_sfc_20180104"], files["ens10_pl_20180108"]
    with pytest.raises(InputError, match="no start is in the files of both kinds"):
        open_fields([one, other], config.postprocess)
    with xr.open_dataset(one, decode_timedelta=True) as dataset:
        shifted = dataset.load().assign_coords(latitude=dataset["latitude"].values[::-1])
    shifted.to_netcdf(tmp_path / "ens10_sfc_x.nc")
    second = files["ens10_pl_20180104"]
    with pytest.raises(InputError, match="they do not fit together"):
        open_fields([tmp_path / "ens10_sfc_x.nc", second], config.postprocess)
    with pytest.raises(InputError, match="they do not fit together"):
        open_fields([tmp_path / "ens10_sfc_x.nc", files["ens10_sfc_20180108"]], config.postprocess)
    (tmp_path / "ens10_sfc_y.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"ens10_sfc_y.nc: it cannot be read"):
        open_fields([tmp_path / "ens10_sfc_y.nc"], config.postprocess)


def test_calibrations_of_moments_and_of_members_are_the_same(shelf, tmp_path, monkeypatch):
    """Mean and spread are all that either method asks of an ensemble."""
    monkeypatch.setattr(ens10_source, "DATES", (FIRST,))
    rng = np.random.default_rng(0)
    times = np.arange("1998-01-01", "2018-02-01", dtype="datetime64[D]").astype("datetime64[ns]")
    truth = 280 + rng.normal(size=(len(times), 7, 12)).astype("f4")
    xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), truth, {"units": "K"})},
        {"time": times, "latitude": 90 - 30.0 * np.arange(7), "longitude": 30.0 * np.arange(12)},
    ).to_netcdf(tmp_path / "truth.nc")
    found = {}
    for keep in ("members", "statistics"):
        more = (f"postprocess.ens10.keep={keep}", f"postprocess.truth=[{tmp_path}/truth.nc]")
        config = parse(shelf, tmp_path / keep, *ONE, *more)
        download(config)
        preprocess(config)
        for method in ("emos", "smoe"):
            config = parse(shelf, tmp_path / keep, *ONE, *more, f"postprocess.method={method}")
            assert fit(config)
            found[keep, method] = load_tensors(config.calibration)
            if method == "emos":
                found[keep] = scores(config)
            shutil.rmtree(config.calibration)
    for method in ("emos", "smoe"):
        for name, tensor in found["members", method].items():
            same = found["statistics", method][name]
            np.testing.assert_allclose(same, tensor, rtol=1e-3, atol=1e-4)
    # members made from moments have the same mean and spread; only their ranks are their own
    for name in ("rmse", "bias", "spread"):
        np.testing.assert_allclose(found["statistics"][name], found["members"][name], rtol=1e-4)


def scores(config):
    """Calibrate the test part; return the scores of the raw and of the calibrated ensemble."""
    written = postprocess(config)
    assert written["starts"] == 2
    with xr.open_dataset(written["output"]) as made:
        assert made["t2m"].sizes["number"] == 10
    records = evaluate(config)["scores"]
    assert [record["forecast"] for record in records] == ["raw", "calibrated"]
    return {name: [r[name] for r in records] for name in ("rmse", "bias", "spread", "crps")}
