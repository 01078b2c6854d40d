"""The cost of the paper as printed: closure strength, friction-limited robustness, contact stability.

Friction enters together with the action only through ``relu(alpha_n abar - min 1/mu)``, which is zero at closing rates
that a hand has (it needs ``mu > 1 / (alpha_n abar)``: above 50 at 0.2 rad/s). With it, risk cannot change the action;
the ``wrench_margin`` cost is the one that plans. This one is here for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vnb_belief.layout import to_physical
from vnb_planner.config import from_mapping, require_in
from vnb_planner.costs.interface import Evaluate
from vnb_planner.models import HandModel, ObjectModel, Situation


@dataclass(frozen=True)
class PaperCostConfig:
    """Weights of the terms.

    Attributes:
        alpha_s: Weight of the mean closing rate [s/rad].
        alpha_g: Weight of the closure score [1/m].
        alpha_r: Weight of the friction-limited robustness.
        alpha_n: Closing rate to friction demand [s/rad].
        decision_period: Time that an action lasts [s].
        failure_threshold: Cost above which a grasp counts as failed.
    """

    alpha_s: float = 1.0
    alpha_g: float = 0.5
    alpha_r: float = 2.0
    alpha_n: float = 0.1
    decision_period: float = 0.04
    failure_threshold: float = 5.8

    def __post_init__(self) -> None:
        for name in ("alpha_s", "alpha_g", "alpha_r", "alpha_n", "decision_period"):
            require_in(name, getattr(self, name), 0.0, 1e6)
        require_in("failure_threshold", self.failure_threshold, -1e6, 1e6)


class PaperCost:
    """``C = C_str(a) + C_rho(a, psi) + C_ctc(psi)``, the paper's equations 14 and 15.

    The mean closing rate is over joints and horizon; the closure score uses the five pad centres, the end of the
    horizon and the estimated object centre; contacts are the fingers that touch now (no contact: both contact terms are
    zero).
    """

    def __init__(self, hand: HandModel, config: PaperCostConfig) -> None:
        self.hand = hand
        self.config = config
        self.failure_threshold = config.failure_threshold

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> PaperCost:
        """Make the cost from a mapping of :class:`PaperCostConfig`'s fields; the object is not used."""
        return cls(hand, from_mapping(PaperCostConfig, parameters))

    def prepare(self, situation: Situation, theta: Tensor) -> Evaluate:
        """See :class:`vnb_planner.costs.interface.Cost`."""
        physical = to_physical(theta)
        touching = situation.contact.bool()
        stability = torch.exp(-physical.mu) + torch.exp(-physical.kappa) + softplus(physical.slip)
        count = max(int(touching.sum()), 1)
        c_ctc = (stability * touching).sum(-1) / count  # (*B, N)
        demand = torch.where(touching, 1.0 / physical.mu, torch.inf).amin(-1)
        centre = situation.T_hand_object[:3, 3]
        lower, upper = self.hand.lower.to(theta), self.hand.upper.to(theta)

        def evaluate(actions: Tensor) -> Tensor:
            rate = actions.mean((-2, -1))  # (*B, S)
            q = situation.q_cmd + self.config.decision_period * actions.sum(-2)
            q = torch.minimum(torch.maximum(q, lower), upper)
            pads = self.hand.pad_frames(q)[..., :3, 3]
            closure = -torch.linalg.vector_norm(pads - centre, dim=-1).sum(-1)
            c_str = -self.config.alpha_s * rate - self.config.alpha_g * closure
            excess = self.config.alpha_n * rate.unsqueeze(-1) - demand.unsqueeze(-2)
            return c_str.unsqueeze(-1) - self.config.alpha_r * excess.clamp(min=0.0) + c_ctc.unsqueeze(-2)

        return evaluate
