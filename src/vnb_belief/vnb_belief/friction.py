"""What a belief says about the object's friction alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vnb_belief.layout import LOG_MU
from vnb_belief.mixture import Mixture

_NODES = (-math.sqrt(3.0), 0.0, math.sqrt(3.0))
_WEIGHTS = (1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0)
"""Gauss-Hermite quadrature of three nodes, exact for polynomials up to degree five."""


def believed_friction(belief: Mixture) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (3 K,) of a quadrature over the effective friction; the same for the same belief.

    Friction belongs to the object: a component's log friction is the mean over its contacts, with their mean spread.

    Args:
        belief: One mixture over the latent (no batch).
    """
    mean = belief.means[:, LOG_MU].mean(-1, keepdim=True)
    std = belief.log_stds[:, LOG_MU].exp().mean(-1, keepdim=True)
    nodes = (mean + std * torch.tensor(_NODES, dtype=mean.dtype, device=mean.device)).exp()
    weights = torch.softmax(belief.logits, -1).unsqueeze(-1) * torch.tensor(
        _WEIGHTS, dtype=mean.dtype, device=mean.device
    )
    return nodes.flatten(), weights.flatten()


def friction_nodes(log_mean: float, log_std: float) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (3,) of a quadrature over a log-normal effective friction."""
    nodes = (log_mean + log_std * torch.tensor(_NODES, dtype=torch.float64)).exp()
    return nodes, torch.tensor(_WEIGHTS, dtype=torch.float64)
