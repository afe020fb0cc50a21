"""The optimizer of a device: one kernel for all weights on CUDA, which PyTorch has for CPUs too."""

import torch
from small_training import small_model, small_settings, train

from smoecast.training import trainer
from smoecast.training.trainer import is_fused


def test_cuda_alone_is_fused():
    assert is_fused(torch.device("cuda"))
    assert not is_fused(torch.device("cpu"))


def test_fused_steps_are_the_same_steps_and_go_on_to_the_bit(task, tmp_path, monkeypatch):
    def run(folder, epochs, fused):
        monkeypatch.setattr(trainer, "is_fused", lambda _: fused)
        model, settings = small_model(), small_settings(epochs=epochs)
        growing = {"identity": {"epochs": epochs}, "growing": "epochs"}
        train(model, **task | growing | {"settings": settings, "folder": tmp_path / folder})
        return model.state_dict()

    plain, whole = run("plain", 2, False), run("whole", 2, True)
    run("parts", 1, True)
    parts = run("parts", 2, True)
    for name, value in plain.items():
        torch.testing.assert_close(value, whole[name])
        assert torch.equal(parts[name], whole[name]), name
