"""What the kernels in Triton offer, all of it; importing it needs Triton."""

from smoecast.nn.smoe.kernels.comparison import comparative_loss, score_experts
from smoecast.nn.smoe.kernels.outputs import routing_loss, score_outputs
from smoecast.nn.smoe.kernels.places import spread, take
from smoecast.nn.smoe.kernels.selection import best_experts

__all__ = [
    "best_experts",
    "comparative_loss",
    "routing_loss",
    "score_experts",
    "score_outputs",
    "spread",
    "take",
]
