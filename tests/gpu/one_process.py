"""Started by torchrun: a step under DistributedDataParallel in one process, and one without it."""

import copy
import json
import os
import sys

import torch
from made_layers import make_layer
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from smoecast.nn.smoe.gate_training.evidence import Evidence

device = sys.argv[1]
if device == "cuda":
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
torch.backends.cudnn.deterministic = True
distributed.init_process_group("nccl" if device == "cuda" else "gloo")
torch.manual_seed(0)
layers = [make_layer(3, 4, 8, grid=(6, 8)), nn.ReLU()]
layers.append(make_layer(4, 4, 8, grid=(6, 8), preset="comparative"))
alone = nn.Sequential(*layers).to(device)
together = DistributedDataParallel(copy.deepcopy(alone))
x = torch.randn(2, 3, 6, 8, device=device)
for network in (alone, together):
    network(x).square().mean().backward()
pairs = list(zip(alone.parameters(), together.module.parameters(), strict=True))
equal = all(torch.equal(one.grad, other.grad) for one, other in pairs)

# what several processes find out about experts goes by the same messages
level, slope = (torch.rand(8, 6, 8, device=device) for _ in range(2))
found = Evidence(2, told=False, level=level, slope=slope).of_all(distributed.group.WORLD)
equal = equal and torch.allclose(found.level, level) and torch.allclose(found.slope, slope)
print(json.dumps({"equal": bool(equal), "processes": distributed.get_world_size()}))
distributed.destroy_process_group()
