"""The optimizer moves all weights in one pass, and the steps are those of PyTorch's plain one."""

import torch
from small_training import small_model, small_settings, train

from smoecast.training import trainer


def test_fused_steps_are_the_same_steps_and_go_on_to_the_bit(task, tmp_path, monkeypatch):
    def run(folder, epochs, fused):
        def make(groups, **settings):
            return torch.optim.AdamW(groups, **{**settings, "fused": fused})

        monkeypatch.setitem(trainer.OPTIMIZERS, "adamw", make)
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
