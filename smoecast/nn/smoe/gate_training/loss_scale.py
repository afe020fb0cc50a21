"""By what the loss of a backward pass is multiplied: what a layer has been told of it."""

import torch
from torch import Tensor


class LossScale:
    """The factor by which the loss is multiplied: its share of a step's, and a GradScaler's.

    A shared holder: copies of a layer follow the same scaler.

    Attributes
    ----------
    scaler : GradScaler or None
        None: nobody said.
    share : float or None
        By which the loss of a pass is multiplied, where several make a step; a pass of 0 is to
        teach nothing. None: nobody said.
    """

    def __init__(
        self, scaler: torch.amp.GradScaler | None = None, share: float | None = None
    ) -> None:
        self.scaler = scaler
        self.share = share

    def __deepcopy__(self, memo: dict[int, object]) -> "LossScale":
        """Stay one and the same for all copies of a layer."""
        return self

    @property
    def skips(self) -> bool:
        """Whether a scaler is at work, which skips steps whose gradients are not finite."""
        return self.scaler is not None and self.scaler.is_enabled()

    @property
    def part(self) -> float:
        """The share, 1 where nobody said."""
        return 1.0 if self.share is None else self.share

    def factor(self, like: Tensor) -> Tensor | float:
        """Return the scaler's factor, on the device of `like`, without waiting for the device."""
        if self.scaler is None or not self.skips:
            return 1.0
        scale: Tensor = self.scaler.scale(torch.ones((), device=like.device))
        return scale

    def __call__(self, like: Tensor) -> Tensor | float:
        """Return both together, on the device of `like`."""
        return self.part * self.factor(like)
