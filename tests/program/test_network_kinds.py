"""Every kind of network goes through the whole of training, saving, opening and forecasting."""

from pathlib import Path

import pytest
from small_world import small_run

from smoecast.errors import ConfigError
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.plot.plot import plot
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train

SETTINGS = {
    "cnn": "network={kind: cnn, width: 6, blocks: 2, kernel_size: 5, convolution: lowrank}",
    "unet": "network={kind: unet, width: 4, levels: 3, smoe: {layers: [block.1, last]}}",
    "linear": "network={kind: linear}",
    "rivals": "network={kind: unet, width: 4, levels: 2, convolution: local, local_bias: true, "
    "input_skip: true, advanced: {position_embedding: all, position_channels: 1}}",
    "resnet": "network={width: 6, blocks: 2, advanced: {first_kernel_size: 5}, "
    "smoe: {layers: alternate, advanced: {share_gates: true}}}",
}


@pytest.fixture(scope="module")
def folder(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where there is a store that all networks learn from."""
    made = tmp_path_factory.mktemp("runs")
    preprocess(small_run(world, made, "postprocess.files=[]"))
    return made


@pytest.mark.parametrize("kind", list(SETTINGS))
def test_a_network_is_trained_saved_and_used(
    kind: str, world: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = "training.fine_tuning={epochs: 1, rollout_steps: 2}" if kind == "rivals" else "seed=0"
    own = (f"name={kind}", "data.run=small", "training.epochs=1", steps)
    config = small_run(world, folder, SETTINGS[kind], *own)
    trained = train(config)
    assert trained["parameters"] == sum(
        p.numel() for p in open_model(config.model).network.parameters()
    )
    assert not train(config)["trained"]
    forecast(config)
    assert (config.place / "forecast.nc").exists()
    if kind == "unet":  # layers of two grids; how they are painted is tested with the pictures
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
        files = plot(config, kinds=["routing"], output=tmp_path)["files"]
        layers = {Path(f).stem.split("_")[1] for f in files}
        assert layers == {"layer1", "layer2", "layer3"}


def test_a_network_that_does_not_fit_the_grid_is_refused(world: Path, folder: Path) -> None:
    own = ("name=deep", "data.run=small")
    config = small_run(world, folder, "network={kind: unet, levels: 5}", *own)
    with pytest.raises(ConfigError, match="which 8 x 16 points do not allow: take at most 4 lev"):
        train(config)
