"""Several fields in one GRIB 2 message, as NCEP writes u and v: each is read."""

from pathlib import Path

import eccodes
import numpy as np
import pytest
from made_grib import joined, message, refused, temperature, write

from smoecast.errors import InputError
from smoecast.fields.channels import field_of
from smoecast.fields.read.grib.index import describe, index
from smoecast.fields.read.grib.open import open_grib

SAMPLE = "regular_ll_pl_grib2"


def field(name: str, level: int, value: float, gone: tuple[int, ...] = ()) -> bytes:
    """Return a message of one field, with missing values where `gone` says so."""
    plain = message(SAMPLE, value, shortName=name, level=level)
    if not gone:
        return plain
    handle = eccodes.codes_new_from_message(plain)
    values = eccodes.codes_get_values(handle)
    values[list(gone)] = -1e3
    eccodes.codes_set(handle, "bitmapPresent", 1)
    eccodes.codes_set(handle, "missingValue", -1e3)
    eccodes.codes_set_values(handle, values)
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


def by_eccodes(path: Path) -> dict[str, np.ndarray]:
    """Return the values of every field, as ecCodes reads a file of such messages."""
    found = {}
    eccodes.codes_grib_multi_support_on()
    try:
        with path.open("rb") as file:
            while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                name = eccodes.codes_get(handle, "shortName")
                level = eccodes.codes_get(handle, "level")
                eccodes.codes_set(handle, "missingValue", 1e20)
                values = eccodes.codes_get_values(handle).reshape(3, 4)
                found[f"{name}{level}"] = np.where(values == 1e20, np.nan, values)
                eccodes.codes_release(handle)
    finally:
        eccodes.codes_grib_multi_support_off()
    return found


def assert_like_eccodes(path: Path, channels: list[str]) -> None:
    wanted, dataset = by_eccodes(path), open_grib(path)
    assert sorted(wanted) == sorted(channels)
    for name, values in wanted.items():
        read = field_of(dataset, name).squeeze().values
        np.testing.assert_array_equal(read, values.astype(np.float32))


@pytest.mark.parametrize("begin", [3, 4])
def test_two_winds_in_one_message(tmp_path, begin):
    both = joined(field("u", 500, 1.0), field("v", 500, 20.0), begin=begin)
    path = write(tmp_path / "a.grib", field("t", 500, 300.0), both, field("t", 850, 400.0))
    assert_like_eccodes(path, ["t500", "t850", "u500", "v500"])


def test_fields_of_many_levels(tmp_path):
    levels = (100, 300, 500, 850)
    path = tmp_path / "a.grib"
    write(path, joined(*(field(name, level, level) for level in levels for name in "uv")))
    assert_like_eccodes(path, [f"{name}{level}" for level in levels for name in "uv"])
    assert [message.label for message in index(path)[0]] == [f"1.{i}" for i in range(1, 9)]


def test_bitmaps(tmp_path):
    """Each field has its own, none, or that of a field before it."""
    path = write(
        tmp_path / "a.grib",
        joined(field("u", 500, 1.0, (2, 3)), field("v", 500, 20.0), field("w", 500, 3.0, (11,))),
        joined(field("t", 500, 1.0, (2, 3)), field("q", 500, 20.0, (2, 3)), same_bitmap=True),
    )
    assert_like_eccodes(path, ["u500", "v500", "w500", "t500", "q500"])
    assert np.isnan(open_grib(path)["q"].values).sum() == 2


def test_a_field_that_is_left_out(tmp_path):
    path = write(tmp_path / "a.grib", joined(field("u", 500, 1.0), field("clwc", 500, 2.0)))
    messages, left_out = index(path)
    assert [message.channel for message in messages] == ["u500"]
    assert [left.name for left in left_out] == ["clwc on isobaricInhPa"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (joined(field("u", 500, 1.0), field("v", 500, 1.0), begin=5), "message 1 is broken: its"),
        (joined(field("u", 500, 1.0), field("v", 500, 1.0), same_bitmap=True), "refers to the bit"),
        (joined(field("u", 500, 1.0), field("u", 500, 1.0)), "messages 1.1 and 1.2 both hold u500"),
        (joined(field("u", 500, 1.0), temperature()), "message 1 is broken: its sections do not"),
        (
            field("u", 500, 1.0)[:8] + (19).to_bytes(8, "big") + b"7777",
            "message 1 is broken or cut",
        ),
    ],
)
def test_sections_out_of_order(tmp_path, content, words):
    refused(write(tmp_path / "a.grib", content), words)


def test_several_fields_in_memory():
    both = joined(field("u", 500, 1.0), field("v", 500, 20.0))
    with pytest.raises(InputError, match="message 1 holds 2 fields, where one was asked for"):
        describe(both, 1, "it: message 1")


def test_a_field_that_is_gone_when_it_is_read(tmp_path):
    path = write(tmp_path / "a.grib", joined(field("u", 500, 1.0), field("v", 500, 20.0)))
    dataset = open_grib(path)
    write(path, temperature() + bytes(500))
    with pytest.raises(InputError, match=r"a\.grib: message 1\.2 is not there any more"):
        dataset["v"].load()
