"""Coordinates in which the five contacts share what belongs to the object: friction, stiffness and damping.

A density over ``theta`` that is free in all 26 entries would sharpen without end where five of them always agree. In
these 14 coordinates each shared property appears once: pose (6), log friction, log stiffness, log damping (1 each),
slip (5). A contact differs from the shared value by a contrast of standard deviation :data:`CONTACT_SPREAD`. The map
between ``theta`` and (shared, contrasts) is linear and orthogonal up to a constant, so densities carry over exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vnb_belief import layout
from vnb_belief.checks import require_last_dim
from vnb_belief.mixture import Mixture

CONTACT_SPREAD = 0.02
"""Standard deviation of a contact's log property about the object's."""

SHARED_DIM = 14
SHARED_BLOCKS = (layout.LOG_MU, layout.LOG_KAPPA, layout.LOG_DAMPING)
SLIP = slice(9, 14)
"""Where slip is in the shared coordinates."""

_N = layout.NUM_CONTACTS


def to_shared(theta: Tensor) -> Tensor:
    """Return the shared coordinates ``(..., 14)`` of latents ``(..., 26)``: contacts are averaged."""
    require_last_dim(theta, layout.LATENT_DIM, "theta")
    means = [theta[..., block].mean(dim=-1, keepdim=True) for block in SHARED_BLOCKS]
    return torch.cat((theta[..., layout.POSE], *means, theta[..., layout.SLIP_RAW]), dim=-1)


def from_shared(shared: Tensor, generator: Generator | None) -> Tensor:
    """Return latents ``(..., 26)`` of shared coordinates ``(..., 14)`` with drawn contrasts of mean zero."""
    require_last_dim(shared, SHARED_DIM, "shared coordinates")
    noise = torch.randn((*shared.shape[:-1], len(SHARED_BLOCKS), _N), generator=generator, dtype=shared.dtype)
    contrasts = CONTACT_SPREAD * (noise - noise.mean(dim=-1, keepdim=True))
    blocks = [shared[..., [6 + k]] + contrasts[..., k, :] for k in range(len(SHARED_BLOCKS))]
    return torch.cat((shared[..., :6], *blocks, shared[..., SLIP]), dim=-1)


def contrast_log_prob(theta: Tensor) -> Tensor:
    """Return ``log p(theta) - log p(shared)``, shape ``(...)``: the density of the contrasts and the volume change.

    In an orthonormal basis a block is ``(sqrt(5) mean, 4 contrasts)``: ``p(block) = p(mean) / sqrt(5) N(contrasts)``.
    """
    total = theta.new_zeros(theta.shape[:-1])
    for block in SHARED_BLOCKS:
        offset = theta[..., block] - theta[..., block].mean(dim=-1, keepdim=True)
        squares = offset.square().sum(dim=-1) / CONTACT_SPREAD**2
        total = total - 0.5 * squares - (_N - 1) * math.log(CONTACT_SPREAD * math.sqrt(2.0 * math.pi))
    return total - len(SHARED_BLOCKS) * 0.5 * math.log(_N)


@dataclass(frozen=True, eq=False)
class SharedFrame:
    """Normalisation ``u = (shared - mean) / std`` by the first two moments of a mixture.

    Attributes:
        mean, std: Shape ``(..., 14)``.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, mixture: Mixture) -> SharedFrame:
        """Return the frame of a mixture's moments; of a shared property, the contacts' average mean and variance."""
        mean = mixture.mean()
        offset = mixture.means - mean.unsqueeze(-2)
        weights = mixture.weights.unsqueeze(-1)
        variance = (weights * (mixture.stds.square() + offset.square())).sum(dim=-2)
        return cls(to_shared(mean), to_shared(variance).sqrt())

    def normalise(self, shared: Tensor) -> Tensor:
        """Return ``u`` of shared coordinates, both ``(..., 14)``."""
        return (shared - self.mean) / self.std

    def restore(self, u: Tensor) -> Tensor:
        """Return the shared coordinates of ``u``, both ``(..., 14)``."""
        return self.mean + self.std * u

    def log_volume(self) -> Tensor:
        """Return ``log |du / d shared|``, shape ``(...)``."""
        return -self.std.log().sum(dim=-1)
