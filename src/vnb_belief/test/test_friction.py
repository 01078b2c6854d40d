"""The friction that a belief holds, as a quadrature."""

from __future__ import annotations

import math

import torch
from torch.testing import assert_close

from vnb_belief.friction import believed_friction
from vnb_belief.layout import LATENT_DIM, LOG_MU
from vnb_belief.mixture import Mixture


def belief(means: tuple[float, ...], std: float, logits: tuple[float, ...]) -> Mixture:
    full = torch.zeros(len(means), LATENT_DIM, dtype=torch.float64)
    log_stds = torch.zeros_like(full)
    full[:, LOG_MU] = torch.tensor(means, dtype=torch.float64).unsqueeze(-1)
    log_stds[:, LOG_MU] = math.log(std)
    return Mixture(torch.tensor(logits, dtype=torch.float64), full, log_stds)


def test_moments_of_log_friction_are_those_of_the_mixture() -> None:
    nodes, weights = believed_friction(belief((-1.0, -0.5), 0.2, (math.log(0.3), math.log(0.7))))
    assert_close(weights.sum(), torch.tensor(1.0, dtype=torch.float64))
    mean = (weights * nodes.log()).sum()
    variance = (weights * (nodes.log() - mean).square()).sum()
    assert_close(mean, torch.tensor(0.3 * -1.0 + 0.7 * -0.5, dtype=torch.float64))
    assert_close(variance, torch.tensor(0.2**2 + 0.3 * 0.7 * 0.5**2, dtype=torch.float64))


def test_a_known_friction_is_returned() -> None:
    nodes, _ = believed_friction(belief((math.log(0.4),), 1e-9, (0.0,)))
    assert_close(nodes, torch.full((3,), 0.4, dtype=torch.float64))
