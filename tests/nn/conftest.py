"""Networks in tests are tiny: one thread is fastest, and sums come out the same each time."""

import torch

torch.set_num_threads(1)
