"""What a belief mixture says about each quantity, in physical units: mean, band, spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from vnb_belief.layout import LOG_MU, POSE
from vnb_bringup.report.record import StepRecord

Array = NDArray[np.float64]

BAND = (0.05, 0.95)
_BISECTIONS = 50


@dataclass(frozen=True)
class BeliefSummary:
    """A belief over time; T steps, five contacts (thumb to pinky).

    Attributes:
        steps: Step numbers (T,).
        mu_mean, mu_low, mu_high: Friction: mean, 5 % and 95 % quantile (T, 5).
        position_std: Standard deviation of the object's position along x, y, z of the hand (T, 3) [m].
        rotation_std: Standard deviation of its rotation about the same axes (T, 3) [rad].
    """

    steps: Array
    mu_mean: Array
    mu_low: Array
    mu_high: Array
    position_std: Array
    rotation_std: Array


def summarise(steps: Sequence[StepRecord]) -> BeliefSummary | None:
    """Return the summary of the steps that have a belief; None if none has."""
    steps = [step for step in steps if step.logits]
    if not steps:
        return None
    logits = np.array([step.logits for step in steps])
    means, stds = np.array([step.means for step in steps]), np.exp([step.log_stds for step in steps])
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    m, s = means[..., LOG_MU], stds[..., LOG_MU]
    low, high = (np.exp(mixture_quantile(weights, m, s, q)) for q in BAND)
    spread = mixture_std(weights, means[..., POSE], stds[..., POSE])
    return BeliefSummary(
        steps=np.arange(len(steps), dtype=float),
        mu_mean=np.einsum("tk,tkd->td", weights, np.exp(m + 0.5 * s**2)),
        mu_low=low,
        mu_high=high,
        position_std=spread[:, :3],
        rotation_std=spread[:, 3:],
    )


def mixture_quantile(weights: Array, means: Array, stds: Array, q: float) -> Array:
    """Return the ``q`` quantile (T, D) of each marginal of Gaussian mixtures (T, K), (T, K, D), (T, K, D)."""
    low, high = (means - 10.0 * stds).min(axis=1), (means + 10.0 * stds).max(axis=1)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = np.einsum("tk,tkd->td", weights, ndtr((middle[:, None] - means) / stds)) < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def mixture_std(weights: Array, means: Array, stds: Array) -> Array:
    """Return the standard deviation (T, D) of each marginal of Gaussian mixtures (T, K), (T, K, D), (T, K, D)."""
    mean = np.einsum("tk,tkd->td", weights, means)
    second = np.einsum("tk,tkd->td", weights, stds**2 + (means - mean[:, None]) ** 2)
    return np.sqrt(second)
