"""What lies in the test part reaches the final score and nothing else."""

from pathlib import Path

from safetensors.torch import load_file
from small_world import analyses, small_run

from smoecast.config.run import Config
from smoecast.fields.store import store
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train


def trained(folder: Path, shift: float) -> Config:
    """Train on the small world with its last fifth shifted."""
    folder.mkdir()
    dataset = analyses()
    late = round(0.8 * dataset.sizes["time"])
    for name in dataset.data_vars:
        dataset[name][late:] += shift * float(dataset[name].std())
    dataset.to_netcdf(folder / "analyses_a.nc")
    config = small_run(folder, folder / "runs", "postprocess.files=[]")
    preprocess(config)
    train(config)
    return config


def test_other_values_in_the_test_part_change_no_weight(tmp_path: Path) -> None:
    plain, shifted = trained(tmp_path / "plain", 0.0), trained(tmp_path / "shifted", 5.0)
    with store.open_store(plain.store) as a, store.open_store(shifted.store) as b:
        assert not a["fields"][-1].equals(b["fields"][-1])
        assert a["mean"].equals(b["mean"])
    ours, theirs = (load_file(run.model / "model.safetensors") for run in (plain, shifted))
    assert ours.keys() == theirs.keys()
    assert all(value.equal(theirs[name]) for name, value in ours.items())
