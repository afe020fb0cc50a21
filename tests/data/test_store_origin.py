"""A store is read under the config that it was made under, or refused by the key that differs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from small_world import small_run

from smoecast.config.run import Config
from smoecast.data.sources.registry import request_of
from smoecast.data.store_origin import check_origin
from smoecast.errors import InputError
from smoecast.fields.store.store import open_store
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.train import train

OTHER = "{train: 0.6, validation: 0.2, test: 0.2}"


@pytest.mark.parametrize(
    ("verb", "section", "store"),
    [(train, "data", "store.zarr"), (fit, "postprocess", "ensemble.zarr")],
)
def test_another_split_is_not_learned_from(
    world: Path, done: Config, verb: Callable[[Config], object], section: str, store: str
) -> None:
    there = (f"folder={done.folder}", f"data.run={done.name}", "name=other")
    config = small_run(world, done.folder, *there, f"{section}.split={OTHER}")
    words = rf"{store}: was made with {section}\.split = .* the config has .*0\.6.*: run `smoecast "
    with pytest.raises(InputError, match=words):
        verb(config)
    assert not list(config.place.glob("*/model.safetensors"))
    shutil.rmtree(config.place)


def test_a_part_of_another_split_is_not_forecast(world: Path, done: Config, tmp_path: Path) -> None:
    there = (f"folder={done.folder}", f"data.run={done.name}", "name=other", f"data.split={OTHER}")
    config = small_run(world, done.folder, *there)
    with pytest.raises(InputError, match=r"store\.zarr: was made with data\.split = "):
        forecast(config, models=[done.model], init_times=["test"], output=tmp_path / "no.nc")
    assert not list(tmp_path.iterdir())
    # a time is of no part, whatever the split
    forecast(config, models=[done.model], init_times=["2001-01-03"], output=tmp_path / "fc.nc")


def test_what_an_older_version_did_not_say_is_not_compared(done: Config) -> None:
    with open_store(done.store) as dataset:
        check_origin(request_of(done), dataset)
    check_origin(request_of(done), xr.Dataset())
