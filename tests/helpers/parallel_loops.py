"""Training loops under DistributedDataParallel, each in two processes; run by a test."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from made_layers import make_layer
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from smoecast.nn import follow_scaler, share_loss
from smoecast.nn.smoe.gate_training.refusals import GateGradientError

GRID, STEPS = (5, 6), 3
SIZES = {"uneven": ((2, 1), (3, 2))}
LOOPS = {
    "plain": {},
    "paper": {"preset": "paper"},
    "conv gate": {"gate": "conv", "passes": 1},
    "gathered": {"no_sync": True},
    "bucket views": {"no_sync": True, "options": {"gradient_as_bucket_view": True}},
    "zeros": {"to_none": False, "options": {"gradient_as_bucket_view": True}},
    "uneven": {},
    "scaler": {"scaler": True, "no_sync": True},
    "no step": {"rate": 0.0, "to_none": False},
    "one has none": {"passes": 1, "shares": (2.0, 0.0)},
    "static": {"passes": 1, "options": {"static_graph": True}},
}
DEFAULTS = {
    "preset": "comparative",
    "gate": "tensor",
    "passes": 2,
    "no_sync": False,
    "to_none": True,
    "scaler": False,
    "rate": 0.1,
    "shares": (1.0, 1.0),
    "options": {},
}


def network(preset="comparative", gate="tensor"):
    torch.manual_seed(0)
    settings = {"preset": preset, "gate": gate, "expert_start": "own", "damping": 1.0}
    first = make_layer(2, 4, 12, grid=GRID, **settings)
    return nn.Sequential(first, nn.Tanh(), make_layer(4, 2, 8, grid=GRID, **settings)).double()


def batches(name, step):
    """Samples and truth of each process in each of two passes."""
    torch.manual_seed(100 + step)
    sizes = SIZES.get(name, ((2, 2), (2, 2)))
    return [[torch.randn(2, size, 2, *GRID).double() for size in passes] for passes in sizes]


def run(name, rank):
    """Train in this process; return the gradients of every step."""
    loop = {**DEFAULTS, **LOOPS[name]}
    net = network(loop["preset"], loop["gate"])
    wrapped = DistributedDataParallel(net, **loop["options"])
    scaler = torch.amp.GradScaler("cpu", enabled=loop["scaler"])
    follow_scaler(net, scaler if loop["scaler"] else None)
    share = loop["shares"][rank]
    share_loss(net, share if "shares" in LOOPS[name] else None)
    optimizer, found = torch.optim.SGD(net.parameters(), loop["rate"]), []
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=loop["to_none"])
        passes = batches(name, step)[rank][: loop["passes"]]
        for number, (x, y) in enumerate(passes, start=1):
            waits = loop["no_sync"] and number < len(passes)
            with wrapped.no_sync() if waits else nullcontext():
                loss = share * functional.mse_loss(wrapped(x), y) / len(passes)
                scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        found.append({key: p.grad.clone() for key, p in net.named_parameters()})
        scaler.step(optimizer)
        scaler.update()
    return found


def alone(name):
    """Return what one process finds that has all samples, in one pass if they are all alike."""
    loop = {**DEFAULTS, **LOOPS[name]}
    net = network(loop["preset"], loop["gate"])
    optimizer, found = torch.optim.SGD(net.parameters(), loop["rate"]), []
    for step in range(STEPS):
        optimizer.zero_grad()
        ranks = zip(batches(name, step), loop["shares"], strict=True)
        parts = [part for rank, share in ranks if share for part in rank[: loop["passes"]]]
        if name == "uneven":
            for x, y in parts:
                (functional.mse_loss(net(x), y) / len(parts)).backward()
        else:
            x, y = torch.cat(parts, dim=1)
            functional.mse_loss(net(x), y).backward()
        found.append({key: p.grad.clone() for key, p in net.named_parameters()})
        optimizer.step()
    return found


def main(folder, rank):
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = {name: run(name, rank) for name in LOOPS}
    try:
        wrapped = DistributedDataParallel(network(), find_unused_parameters=True)
        wrapped(batches("plain", 0)[rank][0][0])
    except GateGradientError as error:
        found["refused"] = str(error)
    torch.save(found, folder / f"{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    # DistributedDataParallel and optimizers load it: before there are two, to load all once
    import torch._dynamo

    child = os.fork()
    main(Path(sys.argv[1]), 1 if child else 0)
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
