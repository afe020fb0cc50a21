"""The layer under torch.compile: one graph, and what it learns without the compiler."""

import copy
import pickle
import shutil
import subprocess
import sys
import warnings

import pytest
import torch
from made_layers import make_layer
from torch import nn

from smoecast.nn.smoe.gate_training.layer_numbers import find_layer
from smoecast.nn.smoe.gate_training.refusals import GateGradientError

GRID = (6, 8)
QUICK = {"paper": {}, "ours": {"preset": "comparative"}}  # each way of training gates once
SLOW = {
    "conv": {"gate": "conv", "agreement_weight": 0.1},
    "some": {"preset": "comparative", "compared_samples": 1, "experts": 32},
    "coordconv": {"gate": "coordconv"},
    "local": {"gate": "local"},
    "linear": {"gate": "linear"},
    "weighted": {"weighted": True},
    "undamped": {"damping": 1.0},
    "filters": {"filters_per_expert": 2, "order": "expert"},
    "terms": {"preset": "comparative", "experts_per_channel": 2, "error_memory": 0.5},
    "ours, conv": {"preset": "comparative", "gate": "conv"},
    "ours, damped": {"preset": "comparative", "damping": 0.1},
    "gates at rest": {"routing_loss_weight": 0.0},
}
OPEN = """
import sys
import torch
from smoecast import zoo
from smoecast.tasks.forecast_model import open_model
from smoecast.training.optimizers import OPTIMIZERS

open_model(zoo.locate("planet-smoe"))
if "torch._dynamo" in sys.modules:
    sys.exit("opened")
for kind in OPTIMIZERS.values():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = kind([weight])
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""


@pytest.fixture(autouse=True)
def silence():
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, while it traces.
        yield
    torch.compiler.reset()


def network(experts=8, **options):
    torch.manual_seed(0)
    first = make_layer(3, 4, experts, grid=GRID, **options)
    second = make_layer(4, 4, experts, grid=GRID, padding="periodic", **options)
    return nn.Sequential(first, nn.ReLU(), second)


def step(run, net, x):
    x = x.clone().requires_grad_()
    out = run(x)
    out.square().mean().backward()
    learned = [p for p in net.parameters() if p.grad is not None]
    found = [out.detach(), x.grad, *(p.grad for p in learned)]
    with torch.no_grad():
        for parameter in learned:
            parameter.sub_(0.3 * parameter.grad)
            parameter.grad = None
    return found


def check_compiled(backend, **options):
    net = network(**options)
    plain, x = copy.deepcopy(net), torch.randn(2, 3, *GRID)
    compiled = torch.compile(net, backend=backend, fullgraph=True)  # a break would be an error
    for _ in range(3):
        torch.testing.assert_close(step(compiled, net, x), step(plain, plain, x))
    torch.testing.assert_close(net[0].routing_loss, plain[0].routing_loss)
    with torch.no_grad():
        torch.testing.assert_close(compiled.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("options", QUICK.values(), ids=QUICK)
def test_one_graph_learns_what_the_layer_learns(options):
    check_compiled("aot_eager", **options)


@pytest.mark.slow
@pytest.mark.parametrize("options", SLOW.values(), ids=SLOW)
def test_so_does_any_other_layer(options):
    check_compiled("aot_eager", **options)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler here")
@pytest.mark.parametrize("name", [*QUICK, "conv", "some"])
def test_compiled_code_learns_it_too(name):
    check_compiled("inductor", **(QUICK | SLOW)[name])


def test_no_graph_breaks():
    net = network()
    found = torch._dynamo.explain(net)(torch.randn(2, 3, *GRID))
    assert (found.graph_count, found.graph_break_count) == (1, 0)


def test_a_copy_is_another_layer_and_a_dead_layer_is_let_go():
    layer = make_layer(3, 4, 8, grid=GRID)
    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    for one in (layer, *copies):
        assert find_layer(one.number) is one
    number = layer.number
    del layer, one
    with pytest.raises(KeyError):
        find_layer(number)


def test_compiled_code_refuses_what_the_layer_refuses():
    net = network(gate="conv")
    compiled, x = torch.compile(net, backend="aot_eager"), torch.randn(2, 3, *GRID)
    compiled(x).square().mean().backward()
    with pytest.raises(GateGradientError, match="share_loss"):
        compiled(x).square().mean().backward()
    net.zero_grad()
    with pytest.raises(ValueError, match="not finite"):
        (compiled(x) * torch.nan).mean().backward()


def test_several_passes_make_one_step():
    net = network(preset="comparative")
    plain, compiled = copy.deepcopy(net), torch.compile(net, backend="aot_eager")
    for x in torch.randn(2, 2, 3, *GRID):
        compiled(x).square().mean().backward()
        plain(x).square().mean().backward()
    for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_opening_a_network_does_not_load_the_compiler():
    assert subprocess.run([sys.executable, "-c", OPEN], check=False).returncode == 0
