"""Auxiliary losses of a gate, all off by default.

Definitions from the released code of Dryden & Hoefler 2022 (arXiv 2211.13491, section 2.2).

Letters: B batch, E experts, K selected experts, H latitude, W longitude.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Auxiliary:
    """Factors on the auxiliary losses, and what the load is measured with.

    Attributes
    ----------
    importance, load, agreement : float
        Factors; 0 for none.
    noise : float
        Standard deviation of the noise on the scores in training.
    num_selected : int
        K.

    Raises
    ------
    ValueError
        If a number is negative, or the load has a factor and there is no noise to measure it under.
    """

    importance: float
    load: float
    agreement: float
    noise: float
    num_selected: int

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if min(self.importance, self.load, self.agreement, self.noise) < 0:
            raise ValueError("gate_noise and the weights of auxiliary losses must not be negative")
        if self.load and not self.noise:
            raise ValueError("load_weight needs gate_noise above 0: it measures the load under it")

    @property
    def is_needed(self) -> bool:
        """Whether any loss has a factor."""
        return any((self.importance, self.load, self.agreement))

    def __call__(self, clean: Tensor, noisy: Tensor) -> Tensor:
        """Return their weighted sum for scores without and with noise, (.., E, H, W)."""
        total = clean.new_zeros(())
        if self.importance:
            total = total + self.importance * importance_loss(clean)
        if self.load:
            total = total + self.load * load_loss(clean, noisy, self.noise, self.num_selected)
        if self.agreement:
            total = total + self.agreement * agreement_loss(clean)
        return total


def importance_loss(scores: Tensor) -> Tensor:
    """Squared coefficient of variation of the experts' summed scores, scores (.., E, H, W)."""
    importance = scores.movedim(-3, 0).flatten(1).sum(dim=1)  # (E,)
    return _squared_variation(importance)


def load_loss(scores: Tensor, noisy: Tensor, noise: float, num_selected: int) -> Tensor:
    """Squared coefficient of variation of the chance to be selected under fresh gate noise.

    Parameters
    ----------
    scores, noisy : Tensor
        Without and with the noise of this step, (E, H, W) or (B, E, H, W).
    noise : float
        Standard deviation of the noise; above 0.
    num_selected : int
        K.
    """
    threshold = noisy.topk(num_selected, dim=-3).values.narrow(-3, num_selected - 1, 1)
    chance = torch.special.ndtr((scores - threshold) / noise)
    load = chance.sum(dim=0) if chance.dim() == 4 else chance
    return _squared_variation(load)


def agreement_loss(scores: Tensor) -> Tensor:
    """Spread of the scores over the batch: std, averaged over points, summed over experts.

    Zero for scores that are the same for all samples, (E, H, W), and for a batch of one.
    """
    if scores.dim() == 3 or scores.shape[0] == 1:
        return scores.new_zeros(())
    return scores.std(dim=0).mean(dim=(1, 2)).sum()


def _squared_variation(values: Tensor) -> Tensor:
    return (values.std() / values.mean()) ** 2
