"""The best experts by rank, as the CPU sorts them."""

import pytest
import torch
from kernel_cases import TYPES

from smoecast.nn.smoe.topk import best_experts


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("shape", "selected"), [((7, 4, 5), 3), ((2, 5, 3, 3), 5), ((40, 2, 3), 2)]
)
def test_equals_the_cpu(kernels, shape, selected, dtype):
    scores = torch.randn(shape).to(dtype)
    assert torch.equal(
        kernels["offer"].best_experts(scores, selected), best_experts(scores, selected)
    )


def test_equal_scores_go_to_the_lower_index(kernels):
    scores = torch.randint(0, 3, (9, 3, 4)).float()
    assert torch.equal(kernels["offer"].best_experts(scores, 4), best_experts(scores, 4))


def test_scores_that_are_no_numbers_still_have_an_order(kernels):
    scores = torch.randn(6, 2, 2)
    scores[3], scores[1, 0, 0] = torch.nan, -torch.inf
    found = kernels["offer"].best_experts(scores, 6)
    assert torch.equal(found.sort(dim=0).values[:, 0, 0], torch.arange(6))
