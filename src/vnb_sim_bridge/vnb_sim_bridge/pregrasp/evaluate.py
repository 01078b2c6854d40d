"""What a pre-grasp is worth: come in, close by a fixed script, lift, test; under conditions that it cannot choose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.arm.motion import cartesian_line
from vnb_sim_bridge.pregrasp.approach import plan_approach
from vnb_sim_bridge.pregrasp.library import FRICTIONS, PreGrasp
from vnb_sim_bridge.scenario import FRICTION_FINGER
from vnb_sim_bridge.stress.battery import run_battery, run_nominal
from vnb_sim_bridge.world.hand_motion import hand_motion
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

LIFT = 0.05
_COMING_IN, _PRESHAPING = 1.0, 1.0
"""Durations of the last stretch and of the preshaping [s]."""
_ORDER = (3, 1, 4, 2, 5, 0)
"""An order of the frictions whose every beginning is spread."""


@dataclass(frozen=True)
class Condition:
    """What nature draws.

    Attributes:
        friction: Effective friction.
        stiffness: Contact stiffness [N/m].
        mass_scale: Factor on the mass.
        dx, dy, yaw: Where the object is relative to where it was taken to be [m, m, rad].
    """

    friction: float
    stiffness: float = 1000.0
    mass_scale: float = 1.0
    dx: float = 0.0
    dy: float = 0.0
    yaw: float = 0.0


def conditions(count: int, seed: int = 0) -> tuple[Condition, ...]:
    """Return ``count`` conditions, the same for every pre-grasp; the first is the middle of all ranges."""
    rng = np.random.default_rng([seed, 27])
    drawn = [Condition(FRICTIONS[_ORDER[0]])]
    for i in range(1, count):
        dx, dy = rng.normal(0.0, 0.003, 2)
        drawn.append(
            Condition(
                friction=FRICTIONS[_ORDER[i % len(FRICTIONS)]],
                stiffness=float(np.clip(rng.normal(1000.0, 250.0), 300.0, 1900.0)),
                mass_scale=float(rng.uniform(0.8, 1.2)),
                dx=float(dx),
                dy=float(dy),
                yaw=float(rng.normal(0.0, 0.04)),
            )
        )
    return tuple(drawn[:count])


@dataclass(frozen=True)
class Trial:
    """How one pre-grasp did under one condition.

    Attributes:
        lifted: It hung from the hand after the lift.
        nominal: It stayed within 1 cm in the nominal test.
        distance: Its largest displacement there [m].
        survival: Share of the battery survived, which is run only after the nominal test was passed.
        peak_force: Largest fingertip force [N].
    """

    lifted: bool = False
    nominal: bool = False
    distance: float = math.inf
    survival: float = 0.0
    peak_force: float = 0.0

    def robust(self, force_cap: float) -> bool:
        """Return whether the benchmark would call it robust."""
        return self.nominal and self.survival >= 0.5 and self.peak_force <= force_cap

    def value(self, force_cap: float) -> float:
        """Return what it is worth, 0 to 1: half of it for a robust grasp, the rest by how near it comes to one."""
        robust = self.robust(force_cap)
        gentle = float(np.clip(2.0 - self.peak_force / force_cap, 0.0, 1.0))
        near = 0.1 * self.lifted + 0.15 * math.exp(-self.distance / 0.02)
        return 0.5 * robust + near + 0.25 * self.survival * gentle


class Candidate:
    """A candidate's arm motion for one world; raises :class:`MotionError` if the arm cannot make it from its home."""

    def __init__(self, kinematics: ArmKinematics, pregrasp: PreGrasp, T_world_object: Array) -> None:
        approach = plan_approach(kinematics, pregrasp, T_world_object, np.array(kinematics.world.arm.home))
        self.pregrasp = pregrasp
        self.arm_q = approach.arm_q
        self.retreat_q = approach.retreat_q
        self.entering = approach.approach_hand
        goal = approach.T_world_hand.copy()
        goal[2, 3] += LIFT
        self.lift = cartesian_line(kinematics, self.arm_q, approach.T_world_hand, goal, np.full(6, 3.0), 1.0, 1.0)


def scripted_close(world: World, effort: Array, steps: int = 60) -> None:
    """Close thumb pitch and fingers at 0.6 rad/s until each stalls at its effort limit (6,) [N m]."""
    velocity = np.array([0.0, 0.6, 0.6, 0.6, 0.6, 0.6])
    for _ in range(steps):
        world.drive_hand(velocity, effort, world.parameters.decision_period)
        world.step(world.parameters.substeps)


def effort_of(world: World, squeeze: float, finger_ratio: float) -> Array:
    """Return effort limits (6,) [N m]: the thumb at its limits (the fingers push it back), the fingers at a share."""
    effort = world.torque_limit * squeeze
    effort[0] = world.torque_limit[0]
    effort[1] = world.torque_limit[1]
    effort[2:] *= finger_ratio
    return effort


def try_candidate(world: World, candidate: Candidate, condition: Condition) -> Trial:
    """Close, lift and test one candidate under one condition."""
    pregrasp, scenario = candidate.pregrasp, world.scenario
    world.reset(
        replace(
            scenario,
            friction_object=condition.friction**2 / FRICTION_FINGER,
            friction_finger=FRICTION_FINGER,
            stiffness=condition.stiffness,
            mass_scale=condition.mass_scale,
            object_x=scenario.object_x + condition.dx,
            object_y=scenario.object_y + condition.dy,
            object_yaw=scenario.object_yaw + condition.yaw,
        )
    )
    try:
        return _try(world, candidate, pregrasp)
    finally:
        world.reset(scenario)


def _try(world: World, candidate: Candidate, pregrasp: PreGrasp) -> Trial:
    _come_in(world, candidate)
    scripted_close(world, effort_of(world, pregrasp.squeeze, pregrasp.finger_ratio))
    world.hold_hand()
    start = world.object_pose()[2, 3]
    peak = float(world.finger_forces().max())
    period = 0.004
    for i in range(round(1.0 / period)):
        world.set_arm_target(candidate.lift.sample((i + 1) * period))
        world.step(round(period / world.parameters.timestep))
    world.step(round(0.2 / world.parameters.timestep))
    if world.object_pose()[2, 3] - start < 0.8 * LIFT or world.object_on_table():
        return Trial()
    nominal = run_nominal(world)
    survival = float(np.mean([outcome.survived for outcome in run_battery(world)])) if nominal.success else 0.0
    return Trial(True, nominal.success, nominal.max_distance, survival, max(peak, nominal.peak_force))


def _come_in(world: World, candidate: Candidate) -> None:
    """Run the last stretch of the approach, where the hand may push the object, and preshape."""
    world.teleport_arm(candidate.retreat_q)
    world.teleport_hand(candidate.entering)
    period = 0.004
    for s in np.linspace(0.0, 1.0, round(_COMING_IN / period)):
        world.set_arm_target(candidate.retreat_q + s * (candidate.arm_q - candidate.retreat_q))
        world.step(round(period / world.parameters.timestep))
    for _ in hand_motion(world, candidate.pregrasp.preshape(), _PRESHAPING):
        pass
    world.step(25)


def values(world: World, candidate: Candidate, under: tuple[Condition, ...]) -> Iterator[float]:
    """Yield the candidate's value under each condition; raises :class:`SimulationError` if the physics fail."""
    for condition in under:
        yield try_candidate(world, candidate, condition).value(world.object.force_cap)


def measure(world: World, candidate: Candidate, under: tuple[Condition, ...]) -> PreGrasp:
    """Return the candidate's pre-grasp with its score and, by friction, its share of robust grasps.

    A share of ``s`` in ``n`` is given as ``(s + 1) / (n + 2)``, the mean under a flat prior, as n is small.
    """
    cap = world.object.force_cap
    found = [(condition.friction, try_candidate(world, candidate, condition)) for condition in under]
    shares = []
    for friction in FRICTIONS:
        robust = [trial.robust(cap) for at, trial in found if at == friction]
        shares.append(round((sum(robust) + 1) / (len(robust) + 2), 3))
    score = round(float(np.mean([trial.value(cap) for _, trial in found])), 3)
    return replace(candidate.pregrasp, score=score, robust=tuple(shares))
