"""Times of the SMoE layer, the plain convolution and the released structure.

Skipped unless asked for: ``pytest tests/benchmarks --benchmark-only``. No limits are set on times;
`ratios.py` prints the table of docs/benchmarks.md.
"""

import pytest
import torch
from cases import LAYERS, SIZES, Case


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("work", ["step", "infer"])
def test_bench_layer(benchmark, name, size, work):
    benchmark.group = f"{size}, {work}"
    case = Case(name, size)
    benchmark.pedantic(getattr(case, work), rounds=15, iterations=1, warmup_rounds=2)
