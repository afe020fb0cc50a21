"""What of a Spatial Mixture-of-Experts layer is ours, and not the paper's, in one object."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from smoecast.nn.smoe.routing import check_choice


@dataclass(frozen=True)
class SMoESettings:
    """How a `SpatialMoE2d` routes and learns; by default as in the paper.

    Attributes
    ----------
    order : str
        Of output channels: ``score``, falling (the paper), or ``expert``, rising index.
    routing : str
        ``global``: the K best of all experts (the paper); ``grouped``: output channel k is the best
        of the k-th group of E / K experts, and the blame is shared within the group.
    routing_loss : str
        What the gate learns from. ``points``: an output is incorrect when its error is large beside
        those of other points (the paper); ``experts``: the label says which expert of the group
        would have had the least error at the point (grouped routing only).
    error_memory : float
        Share of earlier steps in the errors by which experts are compared, where samples share
        scores.
    compared_samples : int
        Experts are compared on so many samples of each batch, the first ones; all others compute
        the selected experts alone, which is much cheaper. 0: on all (a gate that looks at the
        input takes no other value).
    experts_per_channel : int
        T experts, each of a group of its own, serve an output channel together: their values add up
        (grouped routing only; the paper has one).
    shared : bool
        Each output channel has a filter that all points share, to which its experts add (grouped
        routing only). Once trained, a layer without would give the same.
    bias : bool
        One learned number per filter (the paper has none).
    start : str
        ``random`` scores (the paper); ``plain``: the same K experts everywhere, so that the layer
        begins as an ordinary convolution; ``regions``: smooth random scores, each expert its own
        parts of the globe. A gate module keeps its own start.
    expert_start : str
        ``own``: each expert its own random filter (the paper); ``copies``: the experts of a group
        (of all, those that a plain start leaves unselected) begin as copies of its first, and
        nothing is added to a shared filter at first.

    Raises
    ------
    ValueError
        If a word is unknown, a number out of range, or a choice needs grouped routing.
    """

    order: str = "score"
    routing: str = "global"
    routing_loss: str = "points"
    error_memory: float = 0.0
    compared_samples: int = 0
    experts_per_channel: int = 1
    shared: bool = False
    bias: bool = False
    start: str = "random"
    expert_start: str = "own"

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        check_choice("order", self.order, ("score", "expert"))
        check_choice("routing", self.routing, ("global", "grouped"))
        check_choice("routing_loss", self.routing_loss, ("points", "experts"))
        check_choice("start", self.start, ("random", "plain", "regions"))
        check_choice("expert_start", self.expert_start, ("own", "copies"))
        if not 0.0 <= self.error_memory < 1.0:
            raise ValueError(
                f"error_memory must be at least 0 and below 1, not {self.error_memory}"
            )
        if self.experts_per_channel < 1:
            raise ValueError(
                f"experts_per_channel must be at least 1, not {self.experts_per_channel}"
            )
        if self.compared_samples < 0:
            raise ValueError(f"compared_samples must not be negative, not {self.compared_samples}")
        if self.routing == "grouped":
            return
        if self.routing_loss == "experts":
            raise ValueError("routing_loss 'experts' needs routing 'grouped': a group is compared")
        if self.experts_per_channel > 1:
            raise ValueError("experts_per_channel above 1 needs routing 'grouped'")
        if self.shared:
            raise ValueError("shared filters need routing 'grouped': a channel keeps its meaning")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "SMoESettings":
        """Return the settings of a name in `PRESETS`, with changes.

        Raises
        ------
        ValueError
            There is no such preset, or the changes do not fit.
        """
        check_choice("settings", name, tuple(PRESETS))
        return replace(PRESETS[name], **changes)


PRESETS: Mapping[str, SMoESettings] = MappingProxyType(
    {
        "paper": SMoESettings(),
        "comparative": SMoESettings(
            order="expert",
            routing="grouped",
            routing_loss="experts",
            error_memory=0.9,
            shared=True,
            bias=True,
            start="regions",
            expert_start="copies",
        ),
    }
)
"""The paper's training, and comparative routing (docs/smoe.md)."""
