"""The gradient of routing scores: true after every backward pass, however many make one step.

The routing loss is a mean over all samples of a step, and which expert is the best on that mean
cannot be told from parts of it. So the gradients of several backward passes do not simply add up,
as those of other parameters do. Here the passes' *evidence* adds up (such as mean errors of the
experts), and as soon as a pass has added its own gradient to ``.grad``, a hook of the scores
corrects it to that of all passes since the gradient was last zero, or under DistributedDataParallel
of all passes of all processes. Nobody has to call anything before the optimizer.
"""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from smoecast.nn.smoe.gate_training.evidence import Evidence, Rule, remember
from smoecast.nn.smoe.gate_training.refusals import StepCheck


@dataclass(frozen=True)
class Link:
    """A gate, as the backward of a layer knows it.

    Attributes
    ----------
    gradient : GateGradient
        Of the gate.
    leaf : Tensor or None
        The parameter that is itself the scores; None where scores are computed, so that evidence
        about them cannot be gathered.
    parameters : sequence of Tensor
        All that the gate learns, and what else may gather passes only if the layer is told so.
    group : ProcessGroup or None
        Processes whose gradients are averaged at the end of the pass.
    """

    gradient: "GateGradient"
    leaf: Tensor | None
    parameters: Sequence[Tensor]
    group: "distributed.ProcessGroup | None"


@dataclass
class _Pass:
    """A backward pass under way.

    What is due so far is `truth`, what autograd was given `arrived`: the same but for rounding.
    `window` are the passes that it adds to, `before` the errors remembered from earlier steps.
    """

    number: int
    leaf: Tensor | None
    window: "_Window | None"
    before: Tensor | None
    evidence: Evidence
    rule: Rule
    group: "distributed.ProcessGroup | None"
    truth: Tensor
    arrived: Tensor


@dataclass
class _Window:
    """The passes since the gradient was last zero.

    It goes on while nobody has changed the scores or their gradient, by value. `left` is what the
    gradient was, None if processes average it afterwards; `mark` where it lies, in which version.
    """

    evidence: Evidence
    truth: Tensor
    before: Tensor | None
    scores: Tensor
    left: Tensor | None
    mark: tuple[int, int]


class GateGradient:
    """What the backward passes of all layers that share a gate have gathered for it.

    Copies and pickles keep the memory of errors alone.

    Attributes
    ----------
    remembered : Tensor or None
        (E, H, W), the running mean of the experts' errors over steps; None before the first.
    loss : Tensor or None
        The routing loss of all passes since the gradient was zero, where it compares experts.
    """

    def __init__(self) -> None:
        self.remembered: Tensor | None = None
        self.loss: Tensor | None = None
        self._hooked: dict[int, weakref.ref[Tensor]] = {}
        self._pass: _Pass | None = None
        self._window: _Window | None = None
        self._check: StepCheck | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle keeps."""
        return {**GateGradient().__dict__, "remembered": self.remembered, "loss": self.loss}

    def follow(self, parameters: Sequence[Tensor], told: bool) -> None:
        """Put hooks on a gate's parameters; `told` says whether a GradScaler is known."""
        self._check = None if told else self._check or StepCheck()
        for parameter in parameters:
            known = self._hooked.get(id(parameter))
            if known is None or known() is not parameter:
                hook: Callable[[Any], Any] = parameter.register_post_accumulate_grad_hook
                hook(self._after_accumulation)
                self._hooked[id(parameter)] = weakref.ref(parameter)

    def add(
        self,
        evidence: Evidence,
        like: Tensor,
        rule: Rule,
        link: Link,
    ) -> Tensor:
        """Take the evidence of a layer in its backward, and return the gradient of its scores.

        Parameters
        ----------
        evidence : Evidence
            Of this layer in this pass.
        like : Tensor
            The scores, (E, H, W), for the type of the gradient.
        rule : Rule
            What this layer makes of evidence.
        link : Link
            The gate as it was when it scored.
        """
        number: int = torch._C._current_graph_task_id()  # a graph may be walked twice, or in parts
        now, leaf = self._pass, link.leaf
        if now is None or now.number != number or now.leaf is not leaf:
            window = self._window if self._goes_on(leaf) else None
            before = self.remembered if window is None else window.before
            truth = self._total(evidence, before, rule).to(like.dtype)
            self._pass = _Pass(
                number, leaf, window, before, evidence, rule, link.group, truth, truth
            )
            return truth.clone()
        now.evidence, now.rule = now.evidence.beside(evidence), rule
        now.truth = self._total(now.evidence, now.before, rule).to(like.dtype)
        more = now.truth - now.arrived
        now.arrived = now.arrived + more
        return more

    def _total(self, evidence: Evidence, before: Tensor | None, rule: Rule) -> Tensor:
        """Return the gradient that evidence amounts to; note the loss, and errors to remember."""
        gradient, errors = evidence.gradient, _add(evidence.level, evidence.slope)
        if rule.compare is not None and isinstance(errors, Tensor):
            judged = remember(errors, before, rule.memory)
            if rule.memory:
                self.remembered = judged
            self.loss, compared = rule.compare(judged)
            gradient = _add(compared, gradient)
        unscaled = isinstance(rule.factor, float) and rule.factor == 1.0
        return torch.as_tensor(gradient if unscaled else gradient * rule.factor)

    def _goes_on(self, leaf: Tensor | None) -> bool:
        """Whether the next pass adds to those of the window."""
        window = self._window
        if window is None or leaf is None or leaf.grad is None:
            return False
        if leaf.dtype != window.scores.dtype or leaf.device != window.scores.device:
            return False
        if not torch.equal(leaf.detach(), window.scores):
            return False
        return bool(leaf.grad.any()) if window.left is None else torch.equal(leaf.grad, window.left)

    @torch.no_grad()
    def _after_accumulation(self, leaf: Tensor) -> None:
        """Correct the gradient of a parameter, to which autograd has just added."""
        now = self._pass
        if now is not None and now.leaf is leaf and leaf.grad is not None:
            self._pass = None
            if now.number == torch._C._current_graph_task_id():
                self._window = self._correct(now, leaf, leaf.grad.detach())
            else:  # it ended in torch.autograd.grad, or in an error
                self._keep(leaf.grad.detach())
        elif leaf.grad is not None:
            self._keep(leaf.grad.detach())
        if self._check is not None:
            self._check.note(leaf)

    def _correct(self, now: _Pass, leaf: Tensor, grad: Tensor) -> _Window:
        """Correct the gradient of the scores, in place, by what is not true of it any more."""
        window, truth, evidence = now.window, now.truth, now.evidence
        known = now.arrived
        if window is not None:
            evidence, known = window.evidence.then(evidence), window.truth + known
        if window is not None or now.group is not None:
            truth = self._total(evidence.of_all(now.group), now.before, now.rule).to(grad.dtype)
        alone = torch.equal(grad, known)
        if alone:
            grad.copy_(truth)
        else:  # another loss has its part in it
            grad.add_(truth - known)
        left = None if now.group is not None else truth if alone else grad.clone()
        mark = (grad.data_ptr(), grad._version)
        return _Window(evidence, truth, now.before, leaf.detach().clone(), left, mark)

    def _keep(self, grad: Tensor) -> None:
        """Go on after a pass without evidence, if it found the gradient as it had been left."""
        window = self._window
        if window is not None and window.mark == (grad.data_ptr(), grad._version - 1):
            window.left = None if window.left is None else grad.clone()
            window.mark = (grad.data_ptr(), grad._version)


def _add(one: Tensor | float, other: Tensor | float) -> Tensor | float:
    """Add what may be nothing: a pass over all scores is not made for a zero."""
    return one if isinstance(other, float) and other == 0.0 else one + other
