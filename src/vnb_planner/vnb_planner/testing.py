"""A tiny hand and object with closed-form geometry, and beliefs about them: for tests of costs and planners."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vnb_belief.layout import LATENT_DIM, LOG_DAMPING, LOG_KAPPA, LOG_MU, OBSERVATION_DIM, POSE, SLIP_RAW
from vnb_belief.mixture import Mixture
from vnb_planner.models import HandModel, ObjectModel, Situation
from vnb_planner.planners.interface import PlanInput

REACH = 0.06
"""Length of the tiny hand's fingers [m]."""

ROOTS = torch.tensor(
    [[-0.06, 0.0, -0.05], [0.06, 0.03, -0.05], [0.06, 0.01, -0.05], [0.06, -0.01, -0.05], [0.06, -0.03, -0.05]],
    dtype=torch.float64,
)
"""Finger roots in hand_base [m]: the thumb at negative x, the others at positive x, all pointing up along z."""


class TinyKinematics:
    """Five straight fingers that close in the xz plane towards the z axis; the thumb's yaw turns it about z."""

    def expand(self, q6: Tensor) -> Tensor:
        """Return all joints ``(..., 11)``; the passive ones stay at zero."""
        return torch.cat((q6, 0.0 * q6[..., 1:]), -1)

    def pad_frames(self, q: Tensor) -> Tensor:
        """Return ``T_hand_pad`` ``(..., 5, 4, 4)``; x along the finger, z out of the pad."""
        sign = torch.tensor([1.0, -1.0, -1.0, -1.0, -1.0], dtype=q.dtype)
        angle, zero = q[..., 1:6], torch.zeros_like(q[..., 1:6])
        yaw = torch.cat((q[..., :1], zero[..., 1:]), -1)
        direction = torch.stack((sign * angle.sin() * yaw.cos(), sign * angle.sin() * yaw.sin(), angle.cos()), -1)
        outward = torch.stack((sign * angle.cos() * yaw.cos(), sign * angle.cos() * yaw.sin(), -angle.sin()), -1)
        across = torch.linalg.cross(outward, direction)
        position = ROOTS.to(q) + REACH * direction
        columns = torch.stack((direction, across, outward, position), -1)
        bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=q.dtype).expand(*columns.shape[:-2], 1, 4)
        return torch.cat((columns, bottom), -2)


class Ball:
    """Signed distance to a sphere at the origin."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def distance_and_normal(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return distance ``(...)`` and outward normal ``(..., 3)``."""
        length = torch.linalg.vector_norm(points, dim=-1)
        return length - self.radius, points / length.unsqueeze(-1)


def _row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def tiny_hand() -> HandModel:
    """Return a hand of five straight fingers around the z axis."""
    return HandModel(
        kinematics=TinyKinematics(),
        kp=20.0,
        torque_limit=_row(0.6, 1.0, 0.6, 0.6, 0.6, 0.6),
        speed_limit=torch.full((6,), 4.0, dtype=torch.float64),
        lower=_row(-0.5, 0.0, 0.0, 0.0, 0.0, 0.0),
        upper=torch.full((6,), 1.2, dtype=torch.float64),
        pad_radius=torch.full((5,), 0.007, dtype=torch.float64),
    )


def tiny_ball(force_cap: float = 20.0) -> ObjectModel:
    """Return a ball that the tiny hand closes on at about 0.2 rad."""
    return ObjectModel(distance=Ball(0.035), mass=0.2, force_cap=force_cap)


def make_situation(
    angle: float = 0.15, force: float = 0.0, squeeze: float = 0.0, dtype: torch.dtype = torch.float64
) -> Situation:
    """All closing joints at ``angle`` with targets ``squeeze`` beyond; contact where there is force."""
    q6 = torch.cat((torch.zeros(1, dtype=dtype), torch.full((5,), angle, dtype=dtype)))
    target = torch.cat((torch.zeros(1, dtype=dtype), torch.full((5,), angle + squeeze, dtype=dtype)))
    return Situation(
        T_hand_object=torch.eye(4, dtype=dtype),
        q_cmd=target,
        q=TinyKinematics().expand(q6),
        force=torch.full((5,), force, dtype=dtype),
        contact=torch.full((5,), force > 0),
    )


def make_mixture(
    mus: tuple[float, ...], weights: tuple[float, ...] | None = None, spread: float = 0.1, pose: float = 0.001
) -> Mixture:
    """A mixture with one component per friction; stiffness about 1000 N/m, little slip."""
    k = len(mus)
    means = torch.zeros(k, LATENT_DIM, dtype=torch.float64)
    log_stds = torch.full((k, LATENT_DIM), -3.0, dtype=torch.float64)
    means[:, LOG_MU] = torch.tensor(mus, dtype=torch.float64).log()[:, None]
    means[:, LOG_KAPPA] = torch.tensor(1000.0).log().double()
    means[:, LOG_DAMPING] = torch.tensor(5.0).log().double()
    means[:, SLIP_RAW] = -7.0
    log_stds[:, LOG_MU] = torch.tensor(spread).log().double()
    log_stds[:, POSE] = torch.tensor(pose).log().double()
    p = torch.full((k,), 1.0 / k) if weights is None else torch.tensor(weights)
    return Mixture(p.double().log(), means, log_stds)


def make_plan_input(situation: Situation | None = None, belief: Mixture | None = None, **changes: Any) -> PlanInput:
    """What a planner is given: an open hand and two possible frictions, unless ``changes`` (fields) say otherwise."""
    values: dict[str, Any] = {
        "belief": belief or make_mixture((0.3, 0.8)),
        "observation": torch.zeros(OBSERVATION_DIM, dtype=torch.float64),
        **vars(situation or make_situation()),
        "epsilon_hat": 0.0,
        "step": 0,
        "seed": 0,
    }
    return PlanInput(**{**values, **changes})


def without_belief() -> PlanInput:
    """What a planner is given before any belief has started."""
    return replace(make_plan_input(), belief=None)


def draws(mixture: Mixture, n: int, seed: int = 0) -> Tensor:
    """Return ``n`` stratified draws of ``mixture``."""
    return mixture.sample(n, torch.Generator().manual_seed(seed), stratified=True)
