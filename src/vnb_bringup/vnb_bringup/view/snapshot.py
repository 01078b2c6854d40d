"""Everything that one moment of a trial shows, as plain arrays: what the page and the markers are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FINGERS = ("thumb", "index", "middle", "ring", "pinky")


def _empty() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class BeliefView:
    """The part of a belief that can be drawn; K components.

    Attributes:
        weights: Component probabilities (K,).
        pose_means: Pose tangents (K, 6) at ``reference``: translation [m], then rotation vector [rad], hand_base axes.
        pose_stds: Their standard deviations (K, 6).
        friction: Mean friction coefficient per finger (5,).
        reference: ``T_hand_object`` (4, 4) that the tangents perturb; None where it is not known.
    """

    weights: Array
    pose_means: Array
    pose_stds: Array
    friction: Array
    reference: Array | None


@dataclass(frozen=True)
class VerdictView:
    """The verdict in words.

    Attributes:
        tone: ``good``, ``fair`` or ``bad``.
        headline: One or two words.
        sentence: What happened.
        figures: Names and values of the verdict's figures.
    """

    tone: str
    headline: str
    sentence: str
    figures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment. What is not known is None, an empty array or NaN; per-finger arrays are in the order of FINGERS.

    Attributes:
        time: Simulated time of the readings [s].
        step: Step of the last decision.
        object_name: Registered name of the object; empty = not known.
        method: Method that moves the fingers; empty = not known.
        phase: ``idle``, ``closing``, ``done``, ``hold`` or ``failed``; empty = not known.
        arm_q: Arm joints [rad].
        hand_q: The eleven hand joints [rad].
        estimate: Estimated ``T_world_object`` (4, 4).
        covariance: Covariance of the estimate (6, 6) of (translation [m], rotation [rad]), world axes.
        truth: True ``T_world_object`` (4, 4), where there is a simulator that knows it.
        belief: The belief.
        contact: Which fingers touch (5,).
        points: Contact points (5, 3) [m], hand_base.
        normals: Contact normals (5, 3) into the object, hand_base; zero where nothing touches.
        force: Normal force per finger from touch (5,) [N].
        taxels: Bytes of the five pads, each (rows, columns).
        action: Chosen velocities of the actuated joints (6,) [rad/s].
        epsilon_hat, epsilon_true: Grasp quality from touch, and of the true contacts.
        cvar, p_fail: Risk figures of the chosen action.
        entropy: Of the belief [nat].
        verdict: The verdict, once there is one.
        clouds: What each depth camera saw last, by its name: points (N, 3) [m], world frame.
    """

    time: float = 0.0
    step: int = 0
    object_name: str = ""
    method: str = ""
    phase: str = ""
    arm_q: Array = field(default_factory=_empty)
    hand_q: Array = field(default_factory=_empty)
    estimate: Array | None = None
    covariance: Array | None = None
    truth: Array | None = None
    belief: BeliefView | None = None
    contact: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(len(FINGERS), dtype=bool))
    points: Array = field(default_factory=lambda: np.zeros((len(FINGERS), 3)))
    normals: Array = field(default_factory=lambda: np.zeros((len(FINGERS), 3)))
    force: Array = field(default_factory=lambda: np.full(len(FINGERS), np.nan))
    taxels: tuple[NDArray[np.uint8], ...] = ()
    action: Array = field(default_factory=_empty)
    epsilon_hat: float = math.nan
    epsilon_true: float = math.nan
    cvar: float = math.nan
    p_fail: float = math.nan
    entropy: float = math.nan
    verdict: VerdictView | None = None
    clouds: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
