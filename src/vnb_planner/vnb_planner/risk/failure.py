"""Failure probability of a sampled cost: ``P(C > threshold)``."""

from __future__ import annotations

from torch import Tensor

from vnb_grasp.errors import ConfigError
from vnb_planner.risk.measures import expectation

SHARPNESS = 100.0
"""Sharpness kappa_f of the sigmoid version, in inverse units of the cost."""


def failure_probability(costs: Tensor, threshold: float, weights: Tensor | None = None) -> Tensor:
    """Return the Monte Carlo failure probability ``E[1(C > threshold)]`` of ``costs`` ``(..., N)``, shape ``(...)``.

    Raises:
        ConfigError: If the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    # Evaluated before the comparison, because NaN > threshold is quietly False.
    expectation(costs, weights)
    # Weights in single precision may add up to a last bit more than one.
    return expectation((costs > threshold).to(costs.dtype), weights).clamp(max=1.0)


def smooth_failure_probability(
    costs: Tensor, threshold: float, weights: Tensor | None = None, sharpness: float = SHARPNESS
) -> Tensor:
    """Return ``E[sigmoid(sharpness (C - threshold))]``, the differentiable version, shape ``(...)``.

    Differs from :func:`failure_probability` by at most the mean of ``sigmoid(-sharpness d_i)``, where ``d_i`` is the
    distance of sample i from the threshold (at most one half each).

    Raises:
        ConfigError: If ``sharpness`` is not positive or the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    if not sharpness > 0.0:
        raise ConfigError(f"failure sharpness: got {sharpness}, expected > 0")
    expectation(costs, weights)
    return expectation((sharpness * (costs - threshold)).sigmoid(), weights)
