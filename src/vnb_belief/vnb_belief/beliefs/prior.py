"""The belief that never learns: a control."""

from __future__ import annotations

from torch import Tensor

from vnb_belief.beliefs.base import Belief
from vnb_belief.mixture import Mixture
from vnb_belief.prior import PriorConfig, at_accuracy, prior_mixture, stated_accuracy


class PriorBelief(Belief):
    """Returns the stated prior at every step, its pose as uncertain as the sensor says.

    Args:
        num_components: Components K.
        config: Ranges of the prior.
    """

    name = "prior"

    def __init__(self, num_components: int = 8, config: PriorConfig | None = None) -> None:
        self._config = config or PriorConfig()
        self._prior = prior_mixture(num_components, self._config)

    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        return self._at(observation)

    def _predict(self, action: Tensor) -> Mixture:
        return self.mixture

    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        return self._at(observation)

    def _at(self, observation: Tensor) -> Mixture:
        return at_accuracy(self._prior, stated_accuracy(observation.to(self._prior.means), self._config))
