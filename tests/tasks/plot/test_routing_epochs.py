"""Routing over the epochs: which are drawn, where, and what of the record is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from smoecast.config.run import Config
from smoecast.errors import InputError
from smoecast.fields.grid import Grid
from smoecast.tasks.plot.routing_epochs import _choose, draw_epochs, draw_training, read_routing
from smoecast.training.records.routing_record import ROUTING


def test_a_row_an_output_a_map_an_epoch_and_how_many_points_each_serves() -> None:
    grid = Grid(np.arange(4.0, 0, -1), np.arange(6.0))
    maps = np.zeros((4, 6), np.int64)
    rows = {"z500": {"before training": maps, "epoch 1": maps + 1}, "t2m": {}}
    rows["t2m"] = {"before training": maps + 2, "epoch 1": maps}
    figure = draw_epochs(rows, grid, experts=3, title="t")
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        "before training",
        "epoch 1",
        "share of points, %",
    ]
    shown = [np.unique(np.asarray(figure.axes[n].collections[0].get_array())) for n in (0, 1, 3, 4)]
    assert [values.tolist() for values in shown] == [[0], [1], [2], [0]]
    bars = [bar.get_height() for bar in figure.axes[5].patches]  # by expert, epochs side by side
    assert bars == [0, 100, 0, 0, 100, 0]


def test_the_first_epoch_and_the_models_own_are_always_shown() -> None:
    whens = ["before training", "epoch 1", "epoch 2", "epoch 3, the model", "epoch 4", "epoch 8"]
    assert _choose(whens) == [0, 2, 3, 5]
    assert _choose([*whens[:2], f"{whens[2]}, the model", *["epoch 4"] * 7]) == [0, 2, 6, 9]
    assert _choose(whens[:2]) == [0, 1]


def test_a_run_is_drawn_with_its_own_epochs(done: Config) -> None:
    ((name, figure),) = draw_training(done.model)
    assert name == "layer1_epochs"
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "before training"
    assert any(title.endswith(", the model") for title in titles)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"0.layer1": torch.zeros(1, 2, 3, dtype=torch.uint8)}, "is of another model"),
        ({}, "is of another model"),
        ({"0.layer1": torch.zeros(1, 2, 3)}, "is damaged: train again with --fresh"),
        ({"0.layer1": torch.zeros(2, 3, dtype=torch.uint8)}, "is damaged"),
        ({"first.layer1": torch.zeros(1, 2, 3, dtype=torch.uint8)}, "is damaged"),
    ],
)
def test_a_record_that_does_not_fit_is_named(
    done: Config, tmp_path: Path, tensors: dict[str, torch.Tensor], words: str
) -> None:
    folder = shutil.copytree(done.model, tmp_path / "model")
    save_file(tensors, folder / ROUTING)
    with pytest.raises(InputError, match=f"{ROUTING}: .*{words}"):
        list(draw_training(folder))


def test_a_number_that_no_expert_has_is_named(done: Config, tmp_path: Path) -> None:
    folder = shutil.copytree(done.model, tmp_path / "model")
    kept = load_file(folder / ROUTING)
    save_file({name: maps + 200 for name, maps in kept.items()}, folder / ROUTING)
    with pytest.raises(InputError, match="is of another model than the one beside it"):
        list(draw_training(folder))


def test_damaged_and_missing_records_are_named(tmp_path: Path) -> None:
    path = tmp_path / ROUTING
    with pytest.raises(InputError, match="cannot be read"):
        read_routing(path)
    for content in (b"", b"half", (2**62).to_bytes(8, "little") + b"{}"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="the record of the routing is damaged"):
            read_routing(path)
