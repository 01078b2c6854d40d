"""The geometry of a snapshot in the world frame: robot, ghosts, ellipsoids, friction cones, planned paths. No ROS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_bringup.view.snapshot import BeliefView, Snapshot
from vnb_grasp.description import ArmDescription, HandDescription
from vnb_grasp.errors import ShapeError
from vnb_grasp.frames.se3 import retract
from vnb_grasp.kinematics import ArmKinematics, HandKinematics
from vnb_perception.tactile_quality import TactileQualityConfig

Array = NDArray[np.float64]

SIGMAS = 2.0
"""Ellipsoids reach to this many standard deviations."""

HORIZON = 10
DECISION_PERIOD = 0.04
"""A planned path shows where the chosen velocities lead in so many decision periods [s]."""

CONE_LENGTH = 0.025
"""Drawn length of a friction cone along its axis [m]."""

GHOST_WEIGHT = 0.02
"""Components with less weight are not drawn."""


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """An ellipsoid: ``pose`` (4, 4) in the world, whose axes are the principal ones, and half axes ``radii`` [m]."""

    pose: Array
    radii: Array


@dataclass(frozen=True, eq=False)
class Ghost:
    """One component of the belief: the object's pose (4, 4) in the world at its mean, and its weight."""

    pose: Array
    weight: float


@dataclass(frozen=True, eq=False)
class Cone:
    """A friction cone at a contact.

    Attributes:
        finger: Index of the finger, from 0.
        apex: Contact point in the world (3,) [m].
        axis: Unit normal into the object (3,).
        half_angle: Arctangent of the friction coefficient [rad].
        force: Normal force [N].
    """

    finger: int
    apex: Array
    axis: Array
    half_angle: float
    force: float


@dataclass(frozen=True, eq=False)
class Scene:
    """What to draw; world frame. None or empty where the snapshot does not know.

    Attributes:
        links: ``T_world_link`` by link name.
        estimate: Estimated object pose (4, 4).
        truth: True object pose (4, 4).
        estimate_ellipsoid: Of the estimate's position.
        belief_ellipsoid: Of the object's position under the whole belief.
        ghosts: Components of the belief, heaviest first.
        cones: Of the touching fingers.
        paths: Fingertip paths (5, HORIZON + 1, 3) [m] under the chosen velocities.
        text: Figures in words.
        clouds: Points (N, 3) [m] that each depth camera saw, by its name.
    """

    links: dict[str, Array]
    estimate: Array | None
    truth: Array | None
    estimate_ellipsoid: Ellipsoid | None
    belief_ellipsoid: Ellipsoid | None
    ghosts: tuple[Ghost, ...]
    cones: tuple[Cone, ...]
    paths: Array | None
    text: str
    clouds: Mapping[str, NDArray[np.float32]]


class SceneBuilder:
    """Computes scenes of one robot.

    Args:
        arm: The arm.
        hand: The hand on it.
    """

    def __init__(self, arm: ArmDescription, hand: HandDescription) -> None:
        self._arm, self._hand = ArmKinematics(arm), HandKinematics(hand)

    def build(self, snapshot: Snapshot) -> Scene:
        """Return the scene of a snapshot.

        Raises:
            ShapeError: If a joint vector has another length than the robot.
        """
        arm_q = _joints(snapshot.arm_q, len(self._arm.joint_names), "arm")
        hand_q = _joints(snapshot.hand_q, len(self._hand.joint_names), "hand")
        links: dict[str, Array] = {}
        T_world_hand: Array | None = None
        if arm_q is not None:
            poses = (self._arm.world_base @ self._arm.link_poses(arm_q)).numpy()
            links.update(zip(self._arm.link_names, poses, strict=True))
            T_world_hand = self._arm.world_hand(arm_q).numpy()
            if hand_q is not None:
                links.update(
                    zip(self._hand.link_names, T_world_hand @ self._hand.link_poses(hand_q).numpy(), strict=True)
                )
        belief = snapshot.belief
        placed = belief is not None and belief.reference is not None and T_world_hand is not None
        return Scene(
            links=links,
            estimate=snapshot.estimate,
            truth=snapshot.truth,
            estimate_ellipsoid=_estimate_ellipsoid(snapshot),
            belief_ellipsoid=_belief_ellipsoid(belief, T_world_hand) if placed else None,  # type: ignore[arg-type]
            ghosts=_ghosts(belief, T_world_hand) if placed else (),  # type: ignore[arg-type]
            cones=() if T_world_hand is None else _cones(snapshot, T_world_hand),
            paths=None if T_world_hand is None or hand_q is None else self._paths(snapshot, hand_q, T_world_hand),
            text=caption(snapshot),
            clouds=snapshot.clouds,
        )

    def _paths(self, snapshot: Snapshot, hand_q: torch.Tensor, T_world_hand: Array) -> Array | None:
        if snapshot.phase != "closing" or snapshot.action.shape != (6,) or not np.isfinite(snapshot.action).all():
            return None
        times = DECISION_PERIOD * torch.arange(HORIZON + 1, dtype=torch.float64)[:, None]
        q = hand_q[:6] + times * torch.from_numpy(snapshot.action)
        q = q.clamp(self._hand.lower[:6], self._hand.upper[:6])
        tips = self._hand.tips(self._hand.expand(q)).numpy()
        return np.swapaxes(tips @ T_world_hand[:3, :3].T + T_world_hand[:3, 3], 0, 1)


def _joints(q: Array, count: int, what: str) -> torch.Tensor | None:
    if q.size == 0 or not np.isfinite(q).all():
        return None
    if q.shape != (count,):
        raise ShapeError(f"{what} joints: got {q.size} values, expected {count}; view it with the hand that was used")
    return torch.from_numpy(np.asarray(q, dtype=np.float64))


def covariance_ellipsoid(centre: Array, covariance: Array, sigmas: float = SIGMAS) -> Ellipsoid | None:
    """Return the ellipsoid of a position (3,) with covariance (3, 3) [m^2]; None if a number is not finite."""
    if not (np.isfinite(centre).all() and np.isfinite(covariance).all()):
        return None
    values, axes = np.linalg.eigh(0.5 * (covariance + covariance.T))
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes, centre
    return Ellipsoid(pose, sigmas * np.sqrt(np.clip(values, 0.0, None)))


def _estimate_ellipsoid(snapshot: Snapshot) -> Ellipsoid | None:
    if snapshot.estimate is None or snapshot.covariance is None:
        return None
    return covariance_ellipsoid(snapshot.estimate[:3, 3], snapshot.covariance[:3, :3])


def position_moments(belief: BeliefView) -> tuple[Array, Array]:
    """Return mean (3,) and covariance (3, 3) of the position tangent under the whole mixture."""
    means, stds = belief.pose_means[:, :3], belief.pose_stds[:, :3]
    mean = belief.weights @ means
    offset = means - mean
    within = np.diag(belief.weights @ stds**2)
    return mean, within + np.einsum("k,ki,kj->ij", belief.weights, offset, offset)


def _belief_ellipsoid(belief: BeliefView, T_world_hand: Array) -> Ellipsoid | None:
    mean, covariance = position_moments(belief)
    assert belief.reference is not None
    rotation = T_world_hand[:3, :3]
    centre = rotation @ (belief.reference[:3, 3] + mean) + T_world_hand[:3, 3]
    return covariance_ellipsoid(centre, rotation @ covariance @ rotation.T)


def _ghosts(belief: BeliefView, T_world_hand: Array) -> tuple[Ghost, ...]:
    if belief.reference is None or not np.isfinite(belief.reference).all():
        return ()
    poses = retract(torch.from_numpy(belief.reference), torch.from_numpy(belief.pose_means)).numpy()
    order = np.argsort(-belief.weights, kind="stable")
    return tuple(
        Ghost(T_world_hand @ poses[k], float(belief.weights[k])) for k in order if belief.weights[k] >= GHOST_WEIGHT
    )


def _cones(snapshot: Snapshot, T_world_hand: Array) -> tuple[Cone, ...]:
    friction = np.full(5, TactileQualityConfig().friction) if snapshot.belief is None else snapshot.belief.friction
    rotation, position = T_world_hand[:3, :3], T_world_hand[:3, 3]
    return tuple(
        Cone(
            finger=int(i),
            apex=rotation @ snapshot.points[i] + position,
            axis=rotation @ snapshot.normals[i],
            half_angle=math.atan(friction[i]),
            force=float(snapshot.force[i]),
        )
        for i in np.flatnonzero(snapshot.contact)
    )


def figure_text(value: float, digits: int = 3) -> str:
    """Return a figure as it is shown everywhere; a dash if it was not computed."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def caption(snapshot: Snapshot) -> str:
    """Return the figures that float beside the object."""
    lines = [f"ε {figure_text(snapshot.epsilon_hat)}   P(fail) {figure_text(snapshot.p_fail, 2)}"]
    if snapshot.phase:
        lines.insert(0, f"{snapshot.phase}, step {snapshot.step}")
    return "\n".join(lines)
