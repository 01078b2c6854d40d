"""What every measure of sampled costs needs: checked probabilities, order, the level."""

from __future__ import annotations

import torch
from torch import Tensor

from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError


def require_level(beta: float) -> None:
    """Raise :class:`ConfigError` unless ``beta`` is a risk level in ``[0, 1)``."""
    if not 0.0 <= beta < 1.0:
        raise ConfigError(f"risk level beta: got {beta}, expected [0, 1); use worst_case for the maximum")


def probabilities(costs: Tensor, weights: Tensor | None) -> Tensor:
    """Check the samples and return their probabilities ``(..., N)``; uniform if ``weights`` is None.

    Raises:
        ConfigError: If the weights are negative or all zero.
        ShapeError: If there is no sample or the shapes disagree.
        NonFiniteError: If ``costs`` or ``weights`` contain NaN or infinity.
    """
    if costs.ndim == 0 or costs.shape[-1] == 0:
        raise ShapeError(f"costs: got shape {tuple(costs.shape)}, expected (..., N) with N > 0")
    if not torch.isfinite(costs).all():
        raise NonFiniteError("costs contain NaN or infinity; look at the cost function and the belief that made them")
    if weights is None:
        return torch.full_like(costs, 1.0 / costs.shape[-1])
    try:
        weights = weights.expand_as(costs)
    except RuntimeError as error:
        raise ShapeError(
            f"weights: got shape {tuple(weights.shape)}, expected to match {tuple(costs.shape)}"
        ) from error
    if not torch.isfinite(weights).all():
        raise NonFiniteError("risk weights contain NaN or infinity")
    total = weights.sum(-1, keepdim=True)
    if bool((weights < 0).any()) or not bool((total > 0).all()):
        raise ConfigError("risk weights: expected non-negative with a positive sum, got a negative one or all zeros")
    return weights / total


def worst_first(costs: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Return costs and probabilities ``(..., N)`` in the order of falling cost."""
    ordered, index = costs.sort(dim=-1, descending=True)
    return ordered, p.gather(-1, index)
