"""How likely what the robot senses is under a latent: gaps at the fingertips, loads on the friction, slip.

All functions return log-likelihoods up to terms that do not depend on the latent, broadcast, and are batched.

References:
    [Rice1945] S. O. Rice, Mathematical analysis of random noise, Bell System Technical Journal 24.
    [Tobin1958] J. Tobin, Estimation of relationships for limited dependent variables, Econometrica 26.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vnb_grasp.errors import ConfigError

LEAST_LOAD = 1e-6
"""Force [N] up to which a contact counts as carrying none."""


def friction_log_likelihood(
    log_mu: Tensor, normal_force: Tensor, tangential_force: Tensor, slip: Tensor, noise: float
) -> Tensor:
    """Return how likely a loaded contact's slipping or holding is, given its friction.

    With ``z = (log mu - log(|f_t| / f_n)) / noise``: a contact that holds says only ``mu >= |f_t| / f_n``, a censored
    observation [Tobin1958] of likelihood ``Phi(z)``; one that slips has ``mu`` near ``|f_t| / f_n``, likelihood
    ``exp(-z^2 / 2)``. A slip that is uncertain mixes the two. Without normal or tangential load **nothing** is learned,
    slip or not.

    Args:
        log_mu: Logarithm of the friction, shape ``(...)``.
        normal_force: ``f_n`` [N], broadcastable.
        tangential_force: ``|f_t|`` [N], broadcastable; zero where it is not known.
        slip: Whether the contact slips, or the probability that it does, broadcastable.
        noise: Standard deviation of the logarithm of the load ratio.

    Returns:
        Log-likelihood, at most zero.

    Raises:
        ConfigError: If ``noise`` is not positive, or a slip probability outside [0, 1].
    """
    if not noise > 0.0:
        raise ConfigError(f"friction noise: got {noise}, expected > 0")
    slip = slip.to(log_mu.dtype)
    if bool(((slip < 0.0) | (slip > 1.0)).any()):
        raise ConfigError(f"slip probability: got {float(slip.min())}..{float(slip.max())}, expected in [0, 1]")
    loaded = (normal_force > LEAST_LOAD) & (tangential_force > LEAST_LOAD)
    ratio = torch.where(loaded, tangential_force, 1.0) / torch.where(loaded, normal_force, 1.0)
    z = (log_mu - ratio.log()) / noise
    held = torch.special.log_ndtr(z) + torch.log1p(-slip)
    slipped = -0.5 * z.square() + slip.log()
    return torch.where(loaded, torch.logaddexp(held, slipped), 0.0)


def gap_log_likelihood(
    gap: Tensor, force: Tensor, contact: Tensor, log_kappa: Tensor, noise: float, outlier: float, outlier_noise: float
) -> Tensor:
    """Return how likely touch is, given the distance between fingertip and object.

    A fingertip that touches with force ``f`` sits ``f / kappa`` deep in the surface, within ``noise``, unless
    (probability ``outlier``) it touches with another part than the modelled sphere, within ``outlier_noise``. One that
    does not touch is outside, ``Phi(gap / noise)``, with the same outliers.

    Args:
        gap: Signed distance of the fingertip sphere's surface to the object [m], shape ``(...)``.
        force: Normal force [N], broadcastable.
        contact: Whether the finger touches, bool, broadcastable.
        log_kappa: Logarithm of the stiffness [N/m], broadcastable.
        noise, outlier_noise: Standard deviations [m].
        outlier: Probability in (0, 1).
    """
    residual = gap + force * torch.exp(-log_kappa)
    near = -0.5 * (residual / noise).square() - math.log(noise) + math.log1p(-outlier)
    far = -0.5 * (residual / outlier_noise).square() - math.log(outlier_noise) + math.log(outlier)
    touching = torch.logaddexp(near, far) + math.log(noise)
    free = torch.logaddexp(
        torch.special.log_ndtr(gap / noise) + math.log1p(-outlier),
        torch.special.log_ndtr(gap / outlier_noise) + math.log(outlier),
    )
    return torch.where(contact, touching, free)


def slip_log_likelihood(measured: Tensor, slip: Tensor, noise: float) -> Tensor:
    """Return how likely a measured slip speed is: the length of a 2-D velocity with noise follows [Rice1945].

    Args:
        measured: Measured tangential speed [m/s], shape ``(...)``.
        slip: True speed [m/s], broadcastable.
        noise: Standard deviation of each component of the measured velocity [m/s].
    """
    a = measured * slip / noise**2
    return -0.5 * ((measured - slip) / noise).square() + torch.special.i0e(a).log()
