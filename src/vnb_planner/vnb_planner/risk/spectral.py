"""Spectral risk: a weighted mean of the sorted costs, worse ones weighing more, by the power spectrum.

A spectral measure is ``integral_0^1 phi(u) q(u) du`` with the quantile function q of the cost (``u = 1`` is the worst)
and a spectrum ``phi >= 0`` that does not fall and integrates to one; every such measure is coherent and law invariant
[Acerbi2002]. CVaR is the one with a step. The power spectrum ``phi(u) = k u^(k - 1)`` has none: no sample is left out,
and no small change moves one into a tail or out of it.

``k = 1 / (1 - beta)``, so that the measure is the expected worst of k independent draws of the cost ([Cherny2009]:
MAXVAR for whole k): the mean at ``beta = 0``, the worst of ten draws at 0.9, the worst case as ``beta -> 1``. The
level has no unit, so nothing depends on the costs' scale.

References:
    [Acerbi2002] C. Acerbi, Spectral measures of risk: a coherent representation of subjective risk aversion, J. of
        Banking and Finance 26(7).
    [Cherny2009] A. Cherny, D. Madan, New measures for performance evaluation, Review of Financial Studies 22(7).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_planner.risk.samples import probabilities, require_level, worst_first


def spectral(costs: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """Return the power-spectral risk of a batch of sampled costs, see the module.

    Each sorted sample weighs the exact integral of the spectrum over its share of probability ``[F_lower, F_upper]``,
    ``F_upper^k - F_lower^k``, rather than the spectrum at a point [Acerbi2002]: splitting a sample changes nothing, and
    the result is exact for the empirical distribution.

    Args:
        costs: Sampled costs, shape ``(..., N)``, any unit.
        beta: Level in ``[0, 1)``. ``0`` gives the mean.
        weights: Non-negative weights, shape broadcastable to ``(..., N)``, normalised here. Uniform if None.

    Returns:
        The risk, shape ``(...)``, unit of ``costs``. Differentiable almost everywhere; the gradient sums to 1.

    Raises:
        ConfigError: If ``beta`` is outside ``[0, 1)`` or the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    require_level(beta)
    ordered, p = worst_first(costs, probabilities(costs, weights))
    power = 1.0 / (1.0 - beta)
    # F^k of what lies below each sample; from the tail's mass, which is small and exact where the spectrum is steep.
    lower = (power * torch.log1p(-p.cumsum(-1).clamp(max=1.0))).exp()
    lower[..., -1] = 0.0
    upper = torch.cat((torch.ones_like(lower[..., :1]), lower[..., :-1]), -1)
    return ((upper - lower) * ordered).sum(-1)


@dataclass(frozen=True)
class Spectral:
    """Power-spectral risk at level ``beta`` in [0, 1)."""

    beta: float

    def __post_init__(self) -> None:
        require_level(self.beta)

    def __call__(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """See :func:`spectral`."""
        return spectral(costs, self.beta, weights)
