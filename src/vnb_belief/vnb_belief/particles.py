"""Weighted particles: reweighting, effective sample size, systematic resampling, jitter that keeps two moments.

References:
    [Carpenter1999] J. Carpenter, P. Clifford, P. Fearnhead, Improved particle filter for nonlinear problems, IEE
        Proceedings F 146(1) (systematic resampling).
    [Liu2001] J. Liu, M. West, Combined parameter and state estimation in simulation-based filtering, in Sequential
        Monte Carlo Methods in Practice, 2001 (kernel shrinkage of static parameters).
    [Silverman1986] B. Silverman, Density Estimation for Statistics and Data Analysis, equation 3.28.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vnb_belief.checks import require_finite
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError


@dataclass(frozen=True, eq=False)
class Particles:
    """N weighted particles.

    Attributes:
        values: Shape ``(N, D)``.
        log_weights: Normalised logarithms of the weights, shape ``(N,)``; may be ``-inf`` for impossible particles.
    """

    values: Tensor
    log_weights: Tensor

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.log_weights.shape != self.values.shape[:1] or not len(self.values):
            raise ShapeError(
                f"particles: got values {tuple(self.values.shape)} and log_weights {tuple(self.log_weights.shape)}, "
                "expected (N, D) and (N,) with N >= 1"
            )

    @classmethod
    def equal(cls, values: Tensor) -> Particles:
        """Return particles of equal weight."""
        return cls(values, values.new_full((len(values),), -math.log(len(values))))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def weights(self) -> Tensor:
        """Weights that sum to one, shape ``(N,)``."""
        return self.log_weights.exp()

    @property
    def ess(self) -> float:
        """Effective sample size ``1 / sum w^2``, in [1, N]."""
        return effective_sample_size(self.log_weights)

    def mean(self) -> Tensor:
        """Return the weighted mean, shape ``(D,)``."""
        return self.weights @ self.values

    def std(self) -> Tensor:
        """Return the weighted standard deviation of each entry, shape ``(D,)``."""
        return (self.weights @ (self.values - self.mean()).square()).sqrt()

    def reweighted(self, log_likelihood: Tensor) -> Particles:
        """Return the particles with weights times a likelihood, ``log_likelihood (N,)``.

        Raises:
            ShapeError: If the shape is another one.
            NonFiniteError: If the likelihood is NaN or no particle explains the observation.
        """
        return Particles(self.values, normalised(self.log_weights, log_likelihood))


def normalised(log_weights: Tensor, log_likelihood: Tensor) -> Tensor:
    """Return normalised log-weights ``(N,)`` after a likelihood; errors as for :meth:`Particles.reweighted`."""
    if log_likelihood.shape != log_weights.shape:
        raise ShapeError(
            f"particle log-likelihood: got {tuple(log_likelihood.shape)}, expected {tuple(log_weights.shape)}"
        )
    joint = log_weights + log_likelihood
    total = torch.logsumexp(joint, dim=0)
    if not bool(torch.isfinite(total)):
        raise NonFiniteError(
            f"particle weights: got a total log-likelihood of {float(total)}, expected a finite number; no particle "
            "explains the observation: look at the sensor or allow for more noise"
        )
    return joint - total


def effective_sample_size(log_weights: Tensor) -> float:
    """Return ``1 / sum w^2`` of normalised log-weights ``(N,)``."""
    return float(torch.exp(-torch.logsumexp(2.0 * log_weights, dim=0)))


def systematic_indices(log_weights: Tensor, generator: Generator) -> Tensor:
    """Return N indices drawn with one random number, ``floor(N w)`` or one more of each particle [Carpenter1999]."""
    n = len(log_weights)
    offset = torch.rand((), generator=generator, dtype=log_weights.dtype)
    edges = log_weights.exp().cumsum(dim=0)
    grid = (torch.arange(n, dtype=log_weights.dtype) + offset) / n * edges[-1]
    return torch.searchsorted(edges, grid).clamp(max=n - 1)


def shrunk_jitter(resampled: Tensor, before: Particles, discount: float, generator: Generator) -> Tensor:
    """Return static parameters after resampling, pulled to the mean and jittered so that both moments stay.

    ``x <- a x + (1 - a) mean + sqrt(1 - a^2) L eps`` with ``a = (3 d - 1) / (2 d)`` and ``L L^T`` the covariance
    [Liu2001]. Plain jitter would widen the posterior at every resampling.

    Args:
        resampled: Values of the chosen particles, shape ``(N, D)``.
        before: The weighted particles that they were chosen from, whose mean and covariance stay.
        discount: ``d`` in (1/3, 1]; 1 does nothing.
        generator: Source of randomness.

    Raises:
        ConfigError: If the discount is out of range.
    """
    if not 1.0 / 3.0 < discount <= 1.0:
        raise ConfigError(f"particle discount: got {discount}, expected in (1/3, 1]")
    a = (3.0 * discount - 1.0) / (2.0 * discount)
    mean = before.mean()
    # R of a QR decomposition: a square root of the covariance even where that is singular.
    root = before.weights.sqrt()[:, None] * (before.values - mean)
    root = torch.linalg.qr(root, mode="r").R
    eps = torch.randn((len(resampled), len(root)), generator=generator, dtype=resampled.dtype)
    return mean + a * (resampled - mean) + math.sqrt(1.0 - a * a) * eps @ root


def silverman_bandwidth(values: Tensor, log_weights: Tensor) -> Tensor:
    """Return the kernel width of each entry ``(D,)``: ``(4 / (3 n))^(1/5) std`` with n the effective sample size.

    The one-dimensional rule [Silverman1986], entry by entry: marginals are what planners and scores read. A kernel
    density has variance ``1 + h^2`` times that of its particles.
    """
    require_finite(values, "particles")
    particles = Particles(values, log_weights)
    return (4.0 / (3.0 * particles.ess)) ** 0.2 * particles.std()
