"""Routing scores as halves, as the zoo has them."""

import torch
from publish import halved

from smoecast.nn.smoe.routing import Selection, select


def test_halves_select_the_same_experts_also_where_scores_nearly_tie():
    how = Selection(num_experts=8, num_selected=2, grouped=True)
    draw = torch.Generator().manual_seed(0)
    scores = 20.0 + 1e-3 * torch.randn(8, 30, 40, generator=draw)
    small = halved(scores, how)
    assert small.dtype == torch.half
    assert torch.equal(select(small, how), select(scores, how))
    assert not torch.equal(select(scores.half(), how), select(scores, how))
