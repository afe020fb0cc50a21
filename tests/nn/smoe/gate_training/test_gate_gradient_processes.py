"""The gate's gradient under DistributedDataParallel is that of one process with all samples."""

import subprocess
import sys
from pathlib import Path

import parallel_loops
import pytest
import torch
from parallel_loops import LOOPS
from torch import distributed

pytestmark = pytest.mark.skipif(
    not distributed.is_available(), reason="this PyTorch has no distributed"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Gradients of each loop, by process."""
    folder = tmp_path_factory.mktemp("processes")
    command = [sys.executable, parallel_loops.__file__, str(folder)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", LOOPS)
def test_processes_have_the_gradient_of_one(found, name):
    expected = parallel_loops.alone(name)
    for mine in found:
        for step, wanted in zip(mine[name], expected, strict=True):
            for key, value in wanted.items():
                torch.testing.assert_close(step[key], value, msg=lambda m, k=key: f"{k}: {m}")


def test_processes_that_may_leave_layers_out_are_refused(found):
    for mine in found:
        assert "set find_unused_parameters=False in DistributedDataParallel" in mine["refused"]
