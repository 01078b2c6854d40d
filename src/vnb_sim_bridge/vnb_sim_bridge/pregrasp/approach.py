"""Turn a pre-grasp and an estimated object pose into arm configurations that are reachable and free of collisions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import MotionError
from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.pregrasp.library import PreGrasp

Array = NDArray[np.float64]

RETREAT_DISTANCE = 0.10
CLEARANCE = 0.001
_PATH_POINTS = 15
_VIA_HEIGHTS = (0.12, 0.22)


@dataclass(frozen=True)
class Approach:
    """A planned approach.

    Attributes:
        pregrasp: The library entry.
        T_world_hand: Target pose of the hand's base (4, 4).
        T_world_retreat: Pose from which it comes in along a straight line (4, 4).
        arm_q: Arm angles at the pre-grasp (6,) [rad].
        retreat_q: Arm angles at the retreat pose (6,) [rad].
        approach_hand: Finger angles while the arm moves (6,) [rad]: preshaped, but the thumb out of the way.
        via: Arm configurations to pass on the way from ``reference_q`` to the retreat pose, possibly none.
    """

    pregrasp: PreGrasp
    T_world_hand: Array
    T_world_retreat: Array
    arm_q: Array
    retreat_q: Array
    approach_hand: Array
    via: tuple[Array, ...] = ()


Motion = tuple[Array, float, tuple[tuple[Array, float], ...]]
"""Finger target (6,) [rad] and its duration [s], then arm goals (6,) [rad] and their speeds, relative to the limits."""


def approach_motions(approach: Approach) -> tuple[Motion, ...]:
    """Return an approach's motions in order.

    The speeds are fractions of the arm's limits; the last stretch, along which the hand closes in, is slow.
    """
    way = (*((q, 0.5) for q in approach.via), (approach.retreat_q, 0.5), (approach.arm_q, 0.2))
    return (approach.approach_hand, 0.4, way), (approach.pregrasp.preshape(), 1.0, ())


def release_motions(approach: Approach, home: Array) -> tuple[Motion, ...]:
    """Return the motions that let the object go and lead back to ``home`` (6,) [rad] the way the hand came from there.

    From home on, another approach is planned like the first; a direct way past the object would have to be free too.
    """
    back = ((approach.retreat_q, 0.2), *((q, 0.5) for q in reversed(approach.via)), (home, 0.5))
    return (approach.pregrasp.preshape(), 1.0, ()), (approach.approach_hand, 0.4, back)


def reach(kinematics: ArmKinematics, pregrasp: PreGrasp, T_world_object: Array) -> Array:
    """Return arm angles (6,) [rad] that put the preshaped hand at the pre-grasp, however it gets there.

    Raises:
        MotionError: If no symmetric image of the pre-grasp is reachable and free of collisions.
    """
    hand_q = kinematics.world.expand_hand(pregrasp.preshape())
    for T_object_hand in pregrasp.equivalent_poses():
        for seed in kinematics.seeds():
            q = kinematics.solve(T_world_object @ T_object_hand, seed, 40)
            if q is not None and kinematics.collision(q, hand_q, CLEARANCE) is None:
                return q
    raise MotionError(
        f"pre-grasp {pregrasp.index} of {pregrasp.object_name} is out of reach at {T_world_object[:3, 3]} m"
    )


def plan_approach(kinematics: ArmKinematics, pregrasp: PreGrasp, T_world_object: Array, reference_q: Array) -> Approach:
    """Plan the approach to a pre-grasp placed at the estimated object pose.

    The object's symmetric images of the pre-grasp are tried, and the one nearest to ``reference_q`` wins.

    Raises:
        MotionError: If no image is reachable and free of collisions.
    """
    preshape = pregrasp.preshape()
    entering = preshape.copy()
    entering[0] = max(0.0, float(kinematics.world.joint_lower[0]))
    entering[1] = 0.0
    plans: list[Approach] = []
    reasons: set[str] = set()
    for T_object_hand in pregrasp.equivalent_poses():
        target = T_world_object @ T_object_hand
        retreat = target.copy()
        retreat[:3, 3] += RETREAT_DISTANCE * (target[:3, :3] @ np.asarray(pregrasp.retreat))
        try:
            q = kinematics.solve_free(
                target, kinematics.seeds((reference_q,)), kinematics.world.expand_hand(preshape), CLEARANCE
            )
            away = kinematics.solve_free(retreat, [q], kinematics.world.expand_hand(entering), 0.0)
        except MotionError as error:
            reasons.add(str(error))
            continue
        if np.abs(away - q).max() > 1.2:
            reasons.add("the straight retreat jumps between arm branches")
            continue
        plans.append(Approach(pregrasp, target, retreat, q, away, entering))
    for plan in sorted(plans, key=lambda plan: float(np.abs(plan.arm_q - reference_q).sum())):
        via = _find_way(kinematics, plan, reference_q)
        if via is not None:
            return replace(plan, via=via)
        reasons.add("the way there is in collision")
    raise MotionError(f"pre-grasp {pregrasp.index} of {pregrasp.object_name} cannot be reached: {sorted(reasons)[0]}")


def _find_way(kinematics: ArmKinematics, plan: Approach, start_q: Array) -> tuple[Array, ...] | None:
    """Return way-points that make the way free: none, or one above the retreat pose; None if neither works."""
    entering = kinematics.world.expand_hand(plan.approach_hand)
    if not _free(kinematics, plan.retreat_q, plan.arm_q, entering):
        return None
    if _free(kinematics, start_q, plan.retreat_q, entering):
        return ()
    for height in _VIA_HEIGHTS:
        above = plan.T_world_retreat.copy()
        above[2, 3] += height
        via = kinematics.solve(above, plan.retreat_q)
        if (
            via is not None
            and _free(kinematics, start_q, via, entering)
            and _free(kinematics, via, plan.retreat_q, entering)
        ):
            return (via,)
    return None


def _free(kinematics: ArmKinematics, start: Array, goal: Array, hand_q: Array) -> bool:
    """Return True if the straight joint-space motion touches nothing."""
    return all(
        kinematics.collision(start + s * (goal - start), hand_q) is None for s in np.linspace(0.0, 1.0, _PATH_POINTS)
    )
