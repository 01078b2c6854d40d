"""The belief that never learns: a control."""

from __future__ import annotations

from torch import Tensor

from vnb_belief.beliefs.base import Belief
from vnb_belief.mixture import Mixture
from vnb_belief.prior import PriorConfig, prior_mixture


class PriorBelief(Belief):
    """Returns the stated prior at every step.

    Args:
        num_components: Components K.
        config: Ranges of the prior.
    """

    name = "prior"

    def __init__(self, num_components: int = 8, config: PriorConfig | None = None) -> None:
        self._prior = prior_mixture(num_components, config)

    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        return self._prior

    def _predict(self, action: Tensor) -> Mixture:
        return self._prior

    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        return self._prior
