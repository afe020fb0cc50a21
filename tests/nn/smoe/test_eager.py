import subprocess
import sys

import torch

from smoecast.nn.smoe.eager import run_eagerly

OPEN = """
import sys
from smoecast import zoo
from smoecast.tasks.forecast_model import open_model

open_model(zoo.locate("planet-smoe"))
sys.exit("torch._dynamo" in sys.modules)
"""


def test_opening_a_network_does_not_load_the_compiler():
    assert subprocess.run([sys.executable, "-c", OPEN], check=False).returncode == 0


def test_torch_compile_steps_around_it():
    compiling = []

    @run_eagerly
    def double(x):
        compiling.append(torch.compiler.is_compiling())
        return 2 * x

    def run(x):
        return double(x + 1) - 1

    torch.compiler.reset()
    found = torch.compile(run, backend="eager")(torch.ones(3))
    assert found.tolist() == [3.0] * 3
    assert compiling == [False]
