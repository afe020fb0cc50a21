"""The layer, and what it is set beside."""

from pathlib import Path

import pytest
import torch
from quick_bench import do_all

from smoecast.tasks.bench.layer import CASE, CPU, GPU, LAYERS, TINY, LayerRun
from smoecast.tasks.bench.measuring.case import OURS, Setting


def test_every_layer_takes_a_step(tmp_path: Path) -> None:
    found = do_all("layer", tmp_path)
    assert {*found} == {"tiny, step", "tiny, inference"}
    assert {*found["tiny, step"]} == {*LAYERS}


@pytest.mark.parametrize("name", LAYERS)
def test_in_half_precision_too(name: str) -> None:
    run = LayerRun(name, TINY["tiny"], dtype="bfloat16")
    run.step()
    run.infer()
    assert run.gradient.dtype == torch.bfloat16
    assert all(weight.dtype == torch.float32 for weight in run.layer.parameters())
    assert run.fields.grad is not None


def test_scores_move_between_steps() -> None:
    run = LayerRun(OURS, TINY["tiny"])
    before = run.layer.gate.scores.detach().clone()
    run.step()
    assert not torch.equal(run.layer.gate.scores, before)


def test_a_gpu_has_sizes_of_its_own() -> None:
    assert {*CASE.tasks(Setting(Path()))} == {
        f"{n}, {w}" for n in CPU for w in ("step", "inference")
    }
    gpu = CASE.tasks(Setting(Path(), device="cuda"))
    assert {*gpu} == {f"{n}, {w}" for n in GPU for w in ("step", "inference")}


def test_ours_is_set_beside_all_and_variants_beside_the_convolution_to_all_experts() -> None:
    pairs = CASE.tasks(Setting(Path(), quick=True))["tiny, step"].pairs()
    assert [peer for ours, peer in pairs if ours == OURS] == [
        "convolution to E channels",
        "convolution to K channels",
        "released structure",
    ]
    assert {peer for ours, peer in pairs if ours != OURS} == {"convolution to E channels"}
