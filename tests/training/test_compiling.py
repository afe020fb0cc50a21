"""A compiled training: the losses of a plain one, one program, and a resume to the bit."""

import json
import os
import shutil
import signal
import sys
import warnings

import pytest
import torch
from small_training import GRID, pure_model, small_model, small_settings, train
from torch import nn

from smoecast.config.training import Training
from smoecast.errors import ConfigError, Interrupted
from smoecast.nn.rollout import Unrolled
from smoecast.training import compiling


@pytest.fixture(autouse=True)
def silence():
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, while it traces
        yield
    torch.compiler.reset()


@pytest.fixture
def programs(monkeypatch):
    """The sizes of the batches that each compiled program was called with."""
    sizes = []

    def look(graph, _):
        sizes.append([])
        mine = sizes[-1]

        def run(*inputs):
            fields = [i for i in inputs if i.shape[2:] == GRID and not isinstance(i, nn.Parameter)]
            mine.append(len(fields[0]))
            return graph.forward(*inputs)

        return run

    monkeypatch.setattr(compiling, "BACKEND", look)
    # any program, for none is called; that of a wrapper has arguments
    monkeypatch.setenv("CXX", f"{sys.executable} --fast")
    return sizes


def learn(model, task, folder, **changes):
    train(model, **task | {"settings": small_settings(**changes), "folder": folder})
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["train_loss"] for line in lines]


def test_whole_batches_are_learned_by_one_program(task, tmp_path, programs, capsys):
    plain = learn(pure_model(), task, tmp_path / "plain")
    assert not programs
    assert "program" not in capsys.readouterr().err
    compiled = learn(pure_model(), task, tmp_path / "compiled", compile=True)
    assert compiled == pytest.approx(plain, rel=1e-5)
    assert "the first step takes minutes" in capsys.readouterr().err
    # 22 samples: five batches of 4, and one of 2 that is not compiled; nor is the validation
    assert programs == [[4] * 5 * 3]


def test_averaged_weights_are_judged_as_they_are_written(task, tmp_path, programs):
    plain = learn(pure_model(), task, tmp_path / "plain", ema=0.9)
    assert learn(pure_model(), task, tmp_path / "compiled", ema=0.9, compile=True) == pytest.approx(
        plain, rel=1e-5
    )
    assert len(programs) == 1


def test_a_stopped_one_goes_on_to_the_bit(task, tmp_path, programs):
    whole = small_model()
    learn(whole, task, tmp_path / "whole", compile=True)
    steps = iter(range(100))

    def stop(_share):
        if next(steps) == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    parts = small_model()
    with pytest.raises(Interrupted):
        learn(small_model(), {**task, "tick": stop}, tmp_path / "parts", compile=True)
    learn(parts, task, tmp_path / "parts", compile=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    assert len(programs) == 3


class OneStep(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, inputs):
        return self.convolution(inputs)


def test_of_several_steps_one_is_compiled(programs):
    one = OneStep()
    model = Unrolled(one, states=1, fields=2, extra=1, steps=3)
    inputs = torch.randn(4, 2 + 3, *GRID)
    plain = model(inputs)
    compiling.compile_network(model, torch.device("cpu"))
    torch.testing.assert_close(model(inputs), plain)
    # gradients go back through the inputs of all steps but the first
    assert programs == [[4], [4, 4]]
    assert [*one.state_dict()] == ["convolution.weight", "convolution.bias"]


def test_it_decides_the_weights_only_where_it_is_asked_for():
    assert "compile" not in Training().decisive()  # older runs go on
    assert Training(compile=True).decisive()["compile"]


def test_a_missing_compiler_is_named(task, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"training\.compile: .* no-such-compiler .* CXX"):
        learn(small_model(), task, tmp_path, compile=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler here")
def test_compiled_code_learns_the_same(task, tmp_path):
    plain = learn(pure_model(), task, tmp_path / "plain")
    assert learn(pure_model(), task, tmp_path / "compiled", compile=True) == pytest.approx(
        plain, rel=1e-4
    )
