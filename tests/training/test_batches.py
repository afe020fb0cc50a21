"""Batches that are read ahead: the right ones, in their order, whatever is asked for."""

import threading

import numpy as np
import pytest
import torch
from small_training import Fields, small_model, small_settings, train

from smoecast.training import batches
from smoecast.training.batches import BatchFeeder, pin, reads_ahead

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Counted(Fields):
    """Notes who read what."""

    def __init__(self, count):
        super().__init__(count)
        self.read = []

    def batch(self, indices):
        self.read.append((indices.tolist(), threading.current_thread() is threading.main_thread()))
        return super().batch(indices)


@pytest.fixture
def ahead(monkeypatch):
    monkeypatch.setattr(batches, "reads_ahead", lambda _: True)


def test_cuda_alone_is_read_ahead():
    assert reads_ahead(CUDA)
    assert not reads_ahead(CPU)


def test_memory_is_pinned_on_the_way_to_cuda(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda values: values + 1)
    values = torch.zeros(2)
    assert pin(values, CPU) is values
    assert torch.equal(pin(values, CUDA), values + 1)
    there = torch.zeros(2, device="meta")
    assert pin(there, CUDA) is there


def test_the_next_batch_is_read_meanwhile(ahead):
    samples, feeder = Counted(8), BatchFeeder(CPU)
    one, two = np.array([0, 3]), np.array([5, 1])
    assert torch.equal(feeder.give(samples, one, two)[0], samples.inputs[one])
    assert torch.equal(feeder.give(samples, two)[1], samples.targets[two])
    assert samples.read == [([0, 3], True), ([5, 1], False)]


def test_what_nobody_asked_for_is_left(ahead):
    samples, others, feeder = Counted(8), Counted(4), BatchFeeder(CPU)
    feeder.give(samples, np.array([0]), np.array([1]))
    assert torch.equal(feeder.give(samples, np.array([2]))[0], samples.inputs[[2]])
    feeder.give(samples, np.array([0]), np.array([1]))
    assert torch.equal(feeder.give(others, np.array([1]))[0], others.inputs[[1]])


def test_on_the_cpu_nobody_reads_ahead():
    samples, feeder = Counted(8), BatchFeeder(CPU)
    feeder.give(samples, np.array([0]), np.array([1]))
    assert samples.read == [([0], True)]


def test_an_error_of_the_reader_comes_where_the_batch_is_asked_for(ahead):
    class Broken(Counted):
        def batch(self, indices):
            if 1 in indices:
                raise OSError("the disk is gone")
            return super().batch(indices)

    samples, feeder = Broken(8), BatchFeeder(CPU)
    feeder.give(samples, np.array([0]), np.array([1]))
    with pytest.raises(OSError, match="the disk is gone"):
        feeder.give(samples, np.array([1]))


def test_a_training_is_the_same_and_reads_each_batch_once(task, tmp_path, monkeypatch):
    settings, states = small_settings(epochs=2, accumulate=2), []
    for number, reads in enumerate((False, True)):
        monkeypatch.setattr(batches, "reads_ahead", lambda _, reads=reads: reads)
        samples, model = Counted(22), small_model()
        train(
            model,
            **task | {"samples": samples, "settings": settings, "folder": tmp_path / str(number)},
        )
        states.append(model.state_dict())
        assert len(samples.read) == 2 * 6
        assert sum(not main for _, main in samples.read) == (2 * 5 if reads else 0)
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
