"""Entropic risk: exponential weights on bad costs, by a fixed aversion or by a level.

``entropic(costs, a) = (1 / a) ln E[exp(a C)]`` is the certainty equivalent of exponential utility: monotone,
translation equivariant and convex, but not positively homogeneous, since the aversion ``a`` has the inverse unit of
the cost [Foellmer2016]. A level ``beta`` has no unit, so a scale must come from the costs. Dividing a number by their
spread breaks monotonicity: making some outcomes worse can widen the spread, which lowers the aversion by more than
they add. With ``a = ln(10) / std`` and probabilities (0.69, 0.3, 0.01), costs of (0, 0, 1) have risk 0.80 and costs of
(0, 0.6, 1) only 0.53.

:func:`entropic_at_level` takes the scale from the level instead. With ``c = ln(1 / (1 - beta))``

``rho = min_a { entropic(costs, a) + c / a } = max { E_Q[C] : KL(Q || P) <= c }``,

the *coherent* entropic risk measure at level c [Foellmer2011], also known as the entropic value-at-risk
[AhmadiJavid2012]. The minimiser ``a*`` is the aversion whose exponentially tilted law ``dQ/dP = exp(a C) / E[exp(a
C)]`` is c nats away from P. This is scale free (what multiplies the costs divides ``a*``), keeps monotone,
translation equivariant and convex, and gains positively homogeneous. It is the mean at ``beta = 0``, the worst case
as ``beta -> 1``, and never below CVaR at the same ``beta``: the laws over which CVaR is the maximum, those of a
density up to ``1 / (1 - beta)``, are all within c nats.

References:
    [Foellmer2016] H. Foellmer, A. Schied, Stochastic Finance, 4th edition, de Gruyter 2016, chapter 4.
    [Foellmer2011] H. Foellmer, T. Knispel, Entropic risk measures: coherence vs. convexity, model ambiguity, and robust
        large deviations, Stochastics and Dynamics 11(2-3).
    [AhmadiJavid2012] A. Ahmadi-Javid, Entropic value-at-risk: a new coherent risk measure, J. of Optimization Theory
        and Applications 155(3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_grasp.errors import ConfigError
from vnb_planner.risk.samples import probabilities, require_level

_LOG_AVERSIONS = (-16.0, 32.0)
"""Search interval of ``ln(a range)``: from no tilt to all weight on the worst, however near the next is to it."""
_BISECTIONS = 48
"""Leaves ``ln a`` uncertain by 48 / 2^48, below the resolution of a double at these sizes."""


def entropic(costs: Tensor, aversion: float, weights: Tensor | None = None) -> Tensor:
    """Return ``(1 / a) ln E[exp(a C)]`` of ``costs`` ``(..., N)``, shape ``(...)``, unit of ``costs``.

    Between the mean (``a -> 0``) and the worst case (``a -> infinity``), and increasing in ``a``.

    Args:
        costs: Sampled costs, shape ``(..., N)``.
        aversion: Risk aversion ``a > 0``, inverse unit of ``costs``.
        weights: Non-negative weights, shape broadcastable to ``(..., N)``, normalised here. Uniform if None.

    Raises:
        ConfigError: If ``aversion`` is not positive and finite, or the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    if not (aversion > 0.0 and math.isfinite(aversion)):
        raise ConfigError(f"entropic aversion: got {aversion}, expected > 0; use mean or worst_case for its limits")
    p = probabilities(costs, weights)
    return torch.logsumexp(aversion * costs + p.log(), -1) / aversion


def entropic_at_level(costs: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """Return the coherent entropic risk of a batch of sampled costs, see the module.

    ``a*`` is found by bisection, in double precision. The gradient is the tilted probability of each sample, exact by
    the envelope theorem: the minimum does not change with ``a`` to first order.

    Args:
        costs: Sampled costs, shape ``(..., N)``, any unit.
        beta: Level in ``[0, 1)``. ``0`` gives the mean. Where the worst cost has probability ``1 - beta`` or more it is
            the answer; with N equal samples that is from ``beta = 1 - 1 / N`` on.
        weights: Non-negative weights, shape broadcastable to ``(..., N)``, normalised here. Uniform if None.

    Returns:
        The risk, shape ``(...)``, unit of ``costs``. Its gradient sums to 1.

    Raises:
        ConfigError: If ``beta`` is outside ``[0, 1)`` or the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    require_level(beta)
    p = probabilities(costs, weights)
    with torch.no_grad():
        tilt = _tilt(costs.double(), p.double(), -math.log1p(-beta)).to(costs)
    # By duality the value is the mean under the tilted law, and that law is also its gradient.
    return (tilt * costs).sum(-1)


@dataclass(frozen=True)
class Entropic:
    """Coherent entropic risk at level ``beta`` in [0, 1)."""

    beta: float

    def __post_init__(self) -> None:
        require_level(self.beta)

    def __call__(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """See :func:`entropic_at_level`."""
        return entropic_at_level(costs, self.beta, weights)


def _tilt(costs: Tensor, p: Tensor, distance: float) -> Tensor:
    """Return the probabilities ``(..., N)`` tilted exponentially towards bad costs, that far from ``p`` [nats]."""
    counted = p > 0
    worst = costs.masked_fill(~counted, -torch.inf).amax(-1, keepdim=True)
    span = worst - costs.masked_fill(~counted, torch.inf).amin(-1, keepdim=True)
    below = ((costs - worst) / span.clamp(min=torch.finfo(costs.dtype).tiny)).masked_fill(~counted, 0.0)
    log_p = p.log()
    low, high = (torch.full_like(span, end) for end in _LOG_AVERSIONS)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        scores = middle.exp() * below
        log_q = (scores + log_p).log_softmax(-1)
        # ln(q / p), by its own formula: log_p is minus infinity where there is no weight.
        ratio = scores - torch.logsumexp(scores + log_p, -1, keepdim=True)
        near = (log_q.exp() * ratio).sum(-1, keepdim=True) < distance
        low, high = torch.where(near, middle, low), torch.where(near, high, middle)
    # No tilt is that far where the worst cost has so much probability; the end of the interval then leaves only it.
    return (low.exp() * below + log_p).softmax(-1) if distance > 0.0 else p
