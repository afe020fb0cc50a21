import subprocess
import sys

import torch

from smoecast.nn.smoe.eager import run_eagerly


def test_the_networks_do_not_load_the_compiler():
    code = "import sys, smoecast.nn.build; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
