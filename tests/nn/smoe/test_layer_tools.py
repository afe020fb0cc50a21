"""The layer under DistributedDataParallel."""

import os
from datetime import timedelta

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from smoecast.nn.smoe.gates import TensorGate
from smoecast.nn.smoe.layer import SpatialMoE2d

GRID = (6, 8)


def shared_gate_network():
    torch.manual_seed(0)
    gate = TensorGate(8, GRID, num_selected=3)
    return nn.Sequential(
        SpatialMoE2d(3, 3, 8, grid=GRID, gate=gate, damping=1.0),
        nn.ReLU(),
        SpatialMoE2d(3, 3, 8, grid=GRID, gate=gate, damping=1.0),
    )


def half_of_the_batch(rank, store, x, queue, done):
    torch.set_num_threads(1)
    file = distributed.FileStore(store, 2)
    distributed.init_process_group(
        "gloo", store=file, rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    net = DistributedDataParallel(shared_gate_network())
    net(x[rank]).square().mean().backward()
    queue.put((rank, [p.grad.numpy() for p in net.parameters()]))
    queue.close()
    queue.join_thread()
    done.wait(100)
    os._exit(0)  # taking the group down in order has hung on a busy machine


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_available(), reason="this PyTorch has no distributed")
def test_two_processes_average_all_gradients(tmp_path):
    x = torch.randn(2, 4, 3, *GRID)
    context = multiprocessing.get_context("spawn")
    queue, done = context.Queue(), context.Event()
    workers = [
        context.Process(
            target=half_of_the_batch, args=(rank, str(tmp_path / "store"), x, queue, done)
        )
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    grads = dict(queue.get(timeout=100) for _ in workers)
    done.set()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    alone = []
    for half in x:
        net = shared_gate_network()
        net(half).square().mean().backward()
        alone.append([p.grad for p in net.parameters()])
    for first, second, expected in zip(
        grads[0], grads[1], [(a + b) / 2 for a, b in zip(*alone, strict=True)], strict=True
    ):
        torch.testing.assert_close(torch.from_numpy(first), expected)
        torch.testing.assert_close(first, second)
