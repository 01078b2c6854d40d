"""Unadjusted Langevin sampling of an unnormalised density.

[Roberts1996] G. Roberts, R. Tweedie, Exponential convergence of Langevin distributions and their discrete
    approximations, Bernoulli 2(4).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from vnb_belief.checks import require_finite
from vnb_grasp.errors import ConfigError

STEP = 1e-3
STEPS = 50


def langevin(
    log_density: Callable[[Tensor], Tensor],
    start: Tensor,
    generator: Generator,
    step: float = STEP,
    steps: int = STEPS,
) -> Tensor:
    """Return points after ``x <- x + step grad log p(x) + sqrt(2 step) eps`` [Roberts1996].

    No step is rejected: the stationary law is that of ``p`` up to a bias of order ``step`` (a unit Gaussian comes out
    with variance ``1 / (1 - step / 2)``). Time moves by ``steps * step`` units of the density's width squared: short
    chains stay near their start, and follow a density that changes slowly if each starts where the last ended.

    Args:
        log_density: Unnormalised log-density of points ``(N, D)``, shape ``(N,)``, differentiable.
        start: Where the chains start, shape ``(N, D)``.
        generator: Source of randomness.
        step: Step size.
        steps: Number of steps.

    Raises:
        ConfigError: If ``step`` is not positive or ``steps`` negative.
        NonFiniteError: If a chain leaves all bounds.
    """
    if not (step > 0.0 and steps >= 0):
        raise ConfigError(f"Langevin step and steps: got {step} and {steps}, expected > 0 and >= 0")
    x = start.detach()
    with torch.enable_grad():
        for _ in range(steps):
            x = x.requires_grad_(True)
            (slope,) = torch.autograd.grad(log_density(x).sum(), x)
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = (x + step * slope + math.sqrt(2.0 * step) * noise).detach()
    require_finite(x, "Langevin chains")
    return x
