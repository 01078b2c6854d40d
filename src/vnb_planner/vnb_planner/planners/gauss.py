"""The baselines of one Gaussian: the risk-aware planner's machinery on a belief that has lost its modes.

``gauss`` plans for the mean cost (``lambda_c = 0``), ``gauss_cvar`` for an even blend of mean and CVaR (0.5). What they
lack against ``vnb`` is the mixture: between a slippery and a grippy mode they believe in everything in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from vnb_belief.mixture import Mixture
from vnb_planner.planners.search import SearchConfig
from vnb_planner.planners.vnb import VnbConfig, VnbPlanner


@dataclass(frozen=True)
class GaussConfig(VnbConfig):
    """Parameters of the risk-aware planner, with a blend that leaves risk out.

    Attributes:
        lambda_c: Blend: 0 plans for the mean, 1 for the risk.
    """

    lambda_c: float = 0.0


@dataclass(frozen=True)
class GaussCvarConfig(GaussConfig):
    """Parameters of the risk-aware planner, with an even blend.

    Attributes:
        lambda_c: Blend: 0 plans for the mean, 1 for the risk.
    """

    lambda_c: float = 0.5


class GaussPlanner(VnbPlanner):
    """The risk-aware planner on one Gaussian, for the mean cost unless ``lambda_c`` says otherwise."""

    name: ClassVar[str] = "gauss"
    config_type: ClassVar[type[SearchConfig]] = GaussConfig

    def believe(self, belief: Mixture) -> Mixture:
        """See :class:`vnb_planner.planners.search.SearchPlanner`."""
        return collapse(belief)


class GaussCvarPlanner(GaussPlanner):
    """The risk-aware planner on one Gaussian, for an even blend of mean and risk."""

    name: ClassVar[str] = "gauss_cvar"
    config_type: ClassVar[type[SearchConfig]] = GaussCvarConfig


def collapse(mixture: Mixture) -> Mixture:
    """Return the one Gaussian of the same mean and variances, shapes ``(..., 1)`` and ``(..., 1, D)``.

    Per entry ``m = sum_k w_k m_k`` and ``v = sum_k w_k (s_k^2 + (m_k - m)^2)``, the law of total variance. Among
    diagonal Gaussians it is the nearest to the mixture in ``KL(mixture || Gaussian)``. What entries share through their
    component, such as the friction of all contacts, is lost: a diagonal Gaussian has no covariances.
    """
    weights = mixture.weights.unsqueeze(-1)
    mean = mixture.mean().unsqueeze(-2)
    variance = (weights * (mixture.stds.square() + (mixture.means - mean).square())).sum(-2, keepdim=True)
    return Mixture(torch.zeros_like(mixture.logits[..., :1]), mean, 0.5 * variance.log())
