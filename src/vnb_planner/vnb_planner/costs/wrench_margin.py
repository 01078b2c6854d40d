"""The wrench-margin cost: how far the grasp that an action leads to resists disturbances, under a sampled latent.

Joins action and latent, which a risk-aware planner needs: the action sets where the fingertips press and how hard, the
sampled pose where that is on the object and in which direction, the sampled friction and stiffness what it holds.

1. Servo targets ``q(a) = clamp(q_cmd + dt sum_h a_h)`` move the fingertip spheres by forward kinematics.
2. Each sphere's commanded penetration x under the sampled pose gives a normal force through the servo (stiffness
   ``kp / lever^2`` at the tip) in series with the sampled contact stiffness, saturated at ``torque_limit / lever``. A
   soft hinge of millimetres gives fingers that do not touch yet a gradient, as in the generalised Q1 metric [Liu2020].
3. Measurements anchor x: a finger in contact carries its measured force now, whatever the sampled pose says; one that
   is not in contact does not penetrate now. Geometry and stiffness predict the change.
4. The margin is the soft minimum over fixed unit wrenches u of the support function of the forces that the contacts can
   exert, ``h(u) = sum_j f_j max(0, u.w_nj + mu_j |u.w_tj|)``, over a reference force. Torques are scaled by a length.
5. The cost saturates once the margin exceeds one: squeezing harder than any disturbance asks earns nothing, but costs
   near the object's force cap. Low friction asks for more force than high friction does, so the risk level changes the
   action.

References:
    [Liu2020] M. Liu et al., Deep differentiable grasp planner for high-DOF grippers, RSS 2020 (equations 2 and 3).
    [Ferrari1992] C. Ferrari, J. Canny, Planning optimal grasps, ICRA 1992.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vnb_belief.layout import PhysicalLatent, to_physical
from vnb_grasp.frames.se3 import exp_so3
from vnb_planner.config import from_mapping, require_in, require_positive
from vnb_planner.costs.interface import Evaluate
from vnb_planner.models import CLOSING_JOINT, NUM_ACTUATED, HandModel, ObjectModel, Situation

GRAVITY = 9.81
_SMALL = 1e-12
_FAINT = 0.05
"""Least force of a finger that is in contact [N]."""


@dataclass(frozen=True)
class WrenchMarginConfig:
    """Lengths, reference disturbance and weights.

    Attributes:
        disturbance_force: Force that the grasp should resist besides the object's weight [N]. Three to four times the
            pushes that it is meant to survive: those are sudden, and the margin knows neither inertia nor the arm.
        torque_length: Length that turns torque into force [m]; the reference torque is this times the reference force.
        contact_length: Softness of the contact onset [m].
        minimum_temperature: Softness of the minimum over directions, in units of the margin.
        shortage_scale: Margin over which the cost saturates above a margin of one.
        slip_weight: Weight of the missing tangential capacity against the weight of the object.
        slip_speed: Slip speed at which a contact has lost 63 % of its tangential capacity [m/s].
        force_weight: Weight of the squared relative excess of fingertip force.
        force_onset: Fraction of the object's force cap at which that penalty begins.
        torque_weight: Weight of the squared excess of demanded over available torque.
        torque_onset: Fraction of the torque limit at which that penalty begins.
        approach_weight: Weight of the mean distance to contact, which makes free fingers close.
        approach_length: Distance at which half of that penalty is reached [m].
        decision_period: Time that an action lasts [s].
        curvature: Whether gradients see how contact normals turn as fingertips move. Values are the same either way;
            without it a gradient takes two thirds of the time and leaves out a small term.
        failure_threshold: Cost above which a grasp counts as failed.
    """

    disturbance_force: float = 32.0
    torque_length: float = 0.03
    contact_length: float = 0.003
    minimum_temperature: float = 0.05
    shortage_scale: float = 0.15
    slip_weight: float = 0.1
    slip_speed: float = 0.02
    force_weight: float = 10.0
    force_onset: float = 0.7
    torque_weight: float = 0.05
    torque_onset: float = 0.9
    approach_weight: float = 0.3
    approach_length: float = 0.03
    decision_period: float = 0.04
    curvature: bool = False
    failure_threshold: float = 0.93

    def __post_init__(self) -> None:
        for name in (
            "disturbance_force",
            "torque_length",
            "contact_length",
            "minimum_temperature",
            "shortage_scale",
            "slip_speed",
            "approach_length",
            "decision_period",
        ):
            require_positive(name, getattr(self, name))
        for name in ("slip_weight", "force_weight", "torque_weight", "approach_weight"):
            require_in(name, getattr(self, name), 0.0, 1e6)
        for name in ("force_onset", "torque_onset"):
            require_in(name, getattr(self, name), 0.0, 1.0)
        require_in("failure_threshold", self.failure_threshold, -1e6, 1e6)


class WrenchMarginCost:
    """Cost of a grasp by its wrench margin, see the module. Dimensionless; below the shortage scale is a firm grasp."""

    def __init__(self, hand: HandModel, target: ObjectModel, config: WrenchMarginConfig) -> None:
        self.hand = hand
        self.target = target
        self.config = config
        self.failure_threshold = config.failure_threshold

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> WrenchMarginCost:
        """Make the cost from a mapping of :class:`WrenchMarginConfig`'s fields."""
        return cls(hand, target, from_mapping(WrenchMarginConfig, parameters))

    def prepare(self, situation: Situation, theta: Tensor) -> Evaluate:
        """See :class:`vnb_planner.costs.interface.Cost`."""
        contact_model = _ContactModel(self.hand, self.target, self.config, situation, theta)
        config, weight = self.config, self.target.mass * GRAVITY
        directions = _Directions(theta, config.torque_length)

        def evaluate(actions: Tensor) -> Tensor:
            contacts = contact_model.predict(actions)
            support = directions.support(contacts.arm, contacts.push, contacts.force, contact_model.mu)
            margin = _soft_minimum(support / (weight + config.disturbance_force), config.minimum_temperature)
            shortage = config.shortage_scale * softplus((1.0 - margin) / config.shortage_scale)
            spare = (contact_model.grip * contacts.force).sum(-2)
            slip = softplus(1.0 - spare / weight)
            excess = (contacts.force / self.target.force_cap - config.force_onset).relu().square().sum(-2)
            demand = (contacts.demand - config.torque_onset).relu().square().sum(-2)
            approach = (contacts.gap / (contacts.gap + config.approach_length)).mean(-2)
            return (
                shortage
                + config.slip_weight * slip
                + config.force_weight * excess
                + config.torque_weight * demand
                + config.approach_weight * approach
            )

        return evaluate


@dataclass(frozen=True)
class Contacts:
    """Predicted contacts; object frame; axes (*B, S, finger, N).

    Attributes:
        arm: Contact points relative to the object's centre (..., 3) [m].
        push: Direction in which each finger pushes the object, unit (..., 3).
        force: Normal force [N].
        demand: Torque that the force asks for over the torque limit, before saturation.
        gap: Soft distance that is left to contact [m].
    """

    arm: Tensor
    push: Tensor
    force: Tensor
    demand: Tensor
    gap: Tensor


class _ContactModel:
    """Fingertip contacts as a function of the action. Samples and measurements are folded in once, here.

    Inside, the sample axis is last: one matrix product maps all fingertips into all sampled object frames.
    """

    def __init__(
        self, hand: HandModel, target: ObjectModel, config: WrenchMarginConfig, situation: Situation, theta: Tensor
    ) -> None:
        physical = to_physical(theta)
        self.hand, self.target, self.config, self.situation = hand, target, config, situation
        self.like = theta
        self.radius = hand.pad_radius.to(theta)[:, None]
        # The target may pass the upper limit by what saturates the servo, so that a finger at its limit still presses.
        overdrive = hand.torque_limit.to(theta) / hand.kp
        self.lower, self.upper = hand.lower.to(theta), hand.upper.to(theta) + overdrive
        self._fold_pose(physical)
        lever = hand.levers(situation.q[:NUM_ACTUATED])[:, None]
        servo = hand.kp / lever.square()
        kappa = physical.kappa.mT.unsqueeze(-3)  # (*B, 1, 5, N)
        self.stiffness = servo * kappa / (servo + kappa)
        # A finger that the others push carries more than its own servo could: what it feels now is possible.
        limit = hand.torque_limit.to(theta)[list(CLOSING_JOINT)][:, None] / lever
        self.limit = torch.maximum(limit, 1.1 * situation.force[:, None])
        self.mu = physical.mu.mT.unsqueeze(-3)
        self.grip = self.mu * torch.exp(-physical.slip.mT.unsqueeze(-3) / config.slip_speed)
        self.offset = self._anchor()

    def _fold_pose(self, physical: PhysicalLatent) -> None:
        """Precompute ``p_object = R^T (p_hand - t)`` for all samples as one matrix and one offset."""
        T = self.situation.T_hand_object
        rotation = exp_so3(physical.pose[..., 3:]) @ T[:3, :3]  # (*B, N, 3, 3)
        position = T[:3, 3] + physical.pose[..., :3]
        self.map = rotation.movedim(-3, -2).flatten(-2)  # (*B, 3, N * 3): row-vector convention, p @ R = R^T p
        self.shift = (position.unsqueeze(-2) @ rotation).squeeze(-2)[..., None, None, :, :]  # (*B, 1, 1, N, 3)

    def _locate(self, q6: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return penetration, fingertip centres and outward normals in the object frame for ``q6`` (*B, S, 6)."""
        centres = self.hand.fingertip_centres(q6)  # (*B, S, 5, 3)
        mapped = centres.flatten(-3, -2) @ self.map  # (*B, S * 5, N * 3)
        points = mapped.unflatten(-1, (-1, 3)).unflatten(-3, centres.shape[-3:-1]) - self.shift
        distance, normal = self._distance_and_normal(points)
        return self.radius - distance, points, normal

    def _distance_and_normal(self, points: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.curvature or not points.requires_grad:
            return self.target.distance.distance_and_normal(points)
        with torch.no_grad():
            distance, normal = self.target.distance.distance_and_normal(points)
        # The gradient of a distance is the normal: add a term of value zero that carries it.
        return distance + ((points - points.detach()) * normal).sum(-1), normal

    def _anchor(self) -> Tensor:
        """Return what to add to the sampled penetration so that it agrees with what the fingers feel now."""
        now = torch.stack((self.situation.q_cmd, self.situation.q[:NUM_ACTUATED]))
        batch = self.like.shape[:-2]
        penetration, _, _ = self._locate(now.expand(*batch, 2, NUM_ACTUATED))
        commanded, measured = penetration[..., :1, :, :], penetration[..., 1:, :, :]
        free = -measured.relu()
        # Inverse of saturation and soft hinge: the penetration at which the model gives the measured force.
        demand = torch.atanh(self.situation.force.clamp(min=_FAINT)[:, None] / self.limit)
        y = demand * self.limit / (self.stiffness * self.config.contact_length)
        pressed = self.config.contact_length * (y + torch.log(-torch.expm1(-y))) - commanded
        return torch.where(self.situation.contact.bool()[:, None], pressed, free)

    def predict(self, actions: Tensor) -> Contacts:
        """Return the contacts at the end of the action sequences ``(*B, S, H, 6)``."""
        q6 = self.situation.q_cmd + self.config.decision_period * actions.sum(-2)
        q6 = torch.minimum(torch.maximum(q6, self.lower), self.upper)
        penetration, centres, normal = self._locate(q6)
        x = (penetration + self.offset) / self.config.contact_length
        demand = self.stiffness * self.config.contact_length * softplus(x) / self.limit
        return Contacts(
            arm=centres - self.radius.unsqueeze(-1) * normal,
            push=-normal,
            force=self.limit * torch.tanh(demand),
            demand=demand,
            gap=self.config.contact_length * softplus(-x),
        )


class _Directions:
    """Fixed unit disturbance directions: 14 forces and 14 torques (axes and diagonals) in the object frame."""

    def __init__(self, like: Tensor, torque_length: float) -> None:
        axes = [[s * float(i == j) for j in range(3)] for i in range(3) for s in (1.0, -1.0)]
        diagonals = [[s / math.sqrt(3.0) for s in signs] for signs in product((1.0, -1.0), repeat=3)]
        self.unit = torch.tensor(axes + diagonals, dtype=like.dtype, device=like.device).T  # (3, 14)
        self.torque_length = torque_length

    def support(self, arm: Tensor, push: Tensor, force: Tensor, mu: Tensor) -> Tensor:
        """Return ``h(u)`` (*B, S, N, 28) [N] of contacts (*B, S, 5, N).

        A unit wrench ``u = (0, b)`` sees the contact force through ``v = b x r / length``; a force ``u = (a, 0)``
        through ``v = a``. The best force in the cone along v is ``v.n + mu |v - n (v.n)|`` per unit of normal force, or
        none.
        """
        # Along the normal and in all: |b x r|^2 = |r|^2 - (b.r)^2.
        twist = torch.linalg.cross(arm, push) / self.torque_length
        normal = torch.cat((push @ self.unit, twist @ self.unit), -1)
        lever = ((arm.square().sum(-1, keepdim=True)) - (arm @ self.unit).square()) / self.torque_length**2
        squared = torch.cat((torch.ones_like(lever), lever), -1)
        tangential = (squared - normal.square()).clamp(min=_SMALL).sqrt()
        per_newton = (normal + mu.unsqueeze(-1) * tangential).relu()
        return (force.unsqueeze(-1) * per_newton).sum(-3)


def _soft_minimum(values: Tensor, temperature: float) -> Tensor:
    """Return ``-T ln mean exp(-v / T)`` over the last axis: at least the minimum, above it by at most ``T ln n``."""
    count = math.log(values.shape[-1])
    return temperature * (count - torch.logsumexp(-values / temperature, dim=-1))
