"""Risk measures of a sampled cost. Larger cost is worse.

References:
    [Rockafellar2000] R. T. Rockafellar, S. Uryasev, Optimization of conditional value-at-risk, J. of Risk 2(3).
    [Rockafellar2002] R. T. Rockafellar, S. Uryasev, Conditional value-at-risk for general loss distributions,
        J. of Banking and Finance 26(7): atoms that the boundary of the tail splits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vnb_grasp.errors import ConfigError
from vnb_planner.risk.samples import probabilities, require_level, worst_first


class RiskMeasure(Protocol):
    """Maps sampled costs ``(..., N)`` with weights ``(..., N)`` (uniform if None) to a risk ``(...)``."""

    def __call__(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the risk, in the unit of ``costs``."""
        ...


def expectation(costs: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the weighted mean of ``costs`` ``(..., N)``, shape ``(...)``."""
    return (probabilities(costs, weights) * costs).sum(-1)


def worst_case(costs: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the largest of ``costs`` ``(..., N)`` that has positive weight, shape ``(...)``."""
    p = probabilities(costs, weights)
    return costs.masked_fill(p <= 0, -torch.inf).amax(-1)


def cvar(costs: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """Return the conditional value-at-risk of a batch of sampled costs.

    The mean of the worst ``1 - beta`` of the probability, with the atom on the boundary counted for the fraction of it
    that lies in the tail [Rockafellar2002]. Exact for the empirical distribution; as an estimate of the population's
    CVaR it is biased low for small ``N``.

    Args:
        costs: Sampled costs, shape ``(..., N)``, any unit.
        beta: Confidence level in ``[0, 1)``. ``0`` gives the mean.
        weights: Non-negative weights, shape broadcastable to ``(..., N)``, normalised here. Uniform if None.

    Returns:
        CVaR, shape ``(...)``, unit of ``costs``. Differentiable almost everywhere; the gradient sums to 1.

    Raises:
        ConfigError: If ``beta`` is outside ``[0, 1)`` or the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    require_level(beta)
    ordered, p = worst_first(costs, probabilities(costs, weights))
    taken = _tail_mass(p, beta)
    return (taken * ordered).sum(-1) / taken.sum(-1)


def smooth_cvar(costs: Tensor, beta: float, temperature: float, weights: Tensor | None = None) -> Tensor:
    """Return a smooth upper surrogate of :func:`cvar` with gradients at every sample near the boundary.

    The Rockafellar-Uryasev objective ``F(eta) = eta + E[(C - eta)+] / (1 - beta)`` at the empirical quantile ``eta``,
    its hinge replaced by ``softplus_T(x) = T ln(1 + exp(x / T))``, where ``T = temperature * (1 - beta) * spread`` and
    the spread is the mean absolute deviation of the costs. So the surrogate is translation and scale equivariant, and

    ``cvar <= smooth_cvar <= cvar + T ln 2 / (1 - beta) = cvar + temperature * spread * ln 2``.

    Proof: ``0 <= softplus_T(x) - x+ <= T ln 2`` for all x. Below: ``F_T(eta) >= F(eta) >= min F = cvar``. Above:
    ``F_T(eta) <= F(eta) + T ln 2 / (1 - beta)`` and ``F(quantile) = cvar`` [Rockafellar2000, theorem 1]. The bound does
    not grow with ``beta``. ``T`` has a floor at the resolution of the dtype, for costs that are all alike.

    Args:
        costs: Sampled costs, shape ``(..., N)``, any unit.
        beta: Confidence level in ``[0, 1)``.
        temperature: Softness, in units of the costs' spread; positive.
        weights: Non-negative weights, shape broadcastable to ``(..., N)``, normalised here. Uniform if None.

    Returns:
        The surrogate, shape ``(...)``, unit of ``costs``.

    Raises:
        ConfigError: If ``beta`` or ``temperature`` is out of range, or the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    require_level(beta)
    scale = _softness(costs, beta, temperature, weights).unsqueeze(-1)
    ordered, p = worst_first(costs, probabilities(costs, weights))
    # The quantile is the cheapest atom of the tail: sorted from the worst, the last with positive tail mass.
    boundary = (_tail_mass(p, beta) > 0).sum(-1, keepdim=True) - 1
    eta = ordered.gather(-1, boundary)
    return eta.squeeze(-1) + (p * scale * softplus((ordered - eta) / scale)).sum(-1) / (1.0 - beta)


def smooth_cvar_bound(costs: Tensor, beta: float, temperature: float, weights: Tensor | None = None) -> Tensor:
    """Return the bound on ``smooth_cvar - cvar`` (which is never negative), shape ``(...)``, unit of ``costs``."""
    require_level(beta)
    return _softness(costs, beta, temperature, weights) * math.log(2.0) / (1.0 - beta)


@dataclass(frozen=True)
class Mean:
    """The expected cost."""

    def __call__(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """See :func:`expectation`."""
        return expectation(costs, weights)


@dataclass(frozen=True)
class WorstCase:
    """The largest cost that has positive weight."""

    def __call__(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """See :func:`worst_case`."""
        return worst_case(costs, weights)


@dataclass(frozen=True)
class CVaR:
    """Exact conditional value-at-risk at level ``beta`` in [0, 1)."""

    beta: float

    def __post_init__(self) -> None:
        require_level(self.beta)

    def __call__(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """See :func:`cvar`."""
        return cvar(costs, self.beta, weights)


@dataclass(frozen=True)
class SmoothCVaR:
    """Smooth upper surrogate of CVaR at level ``beta``; ``temperature`` in units of the costs' spread."""

    beta: float
    temperature: float = 0.1

    def __post_init__(self) -> None:
        require_level(self.beta)
        _require_temperature(self.temperature)

    def __call__(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """See :func:`smooth_cvar`."""
        return smooth_cvar(costs, self.beta, self.temperature, weights)


def _require_temperature(temperature: float) -> None:
    if not (temperature > 0.0 and math.isfinite(temperature)):
        raise ConfigError(f"CVaR temperature: got {temperature}, expected > 0 in units of the costs' spread")


def _tail_mass(p: Tensor, beta: float) -> Tensor:
    """Return how much of each probability (sorted from the worst cost) lies in the worst ``1 - beta``."""
    before = p.cumsum(-1) - p
    return torch.minimum((1.0 - beta - before).clamp(min=0.0), p)


def _softness(costs: Tensor, beta: float, temperature: float, weights: Tensor | None) -> Tensor:
    """Return ``T = temperature * (1 - beta) * mean absolute deviation`` with its floor, shape ``(...)``."""
    _require_temperature(temperature)
    p = probabilities(costs, weights)
    mean = (p * costs).sum(-1, keepdim=True)
    spread = (p * (costs - mean).abs()).sum(-1)
    floor = torch.finfo(costs.dtype).eps * (1.0 + costs.detach().abs().amax(-1))
    return torch.maximum(temperature * (1.0 - beta) * spread, floor)
