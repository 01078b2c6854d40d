"""Generate the pre-grasp library: random hand poses in two families, kept if the arm reaches them and the grasp holds.

Every candidate is closed by a fixed squeeze in the simulator, lifted, and put through the battery; the best are tested
again at two frictions and with pose errors, and what remains is the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import MotionError, SimulationError
from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.arm.motion import cartesian_line
from vnb_sim_bridge.pregrasp.approach import plan_approach
from vnb_sim_bridge.pregrasp.closure import ClosureFilter
from vnb_sim_bridge.pregrasp.library import PreGrasp
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.stress.battery import run_battery, run_nominal
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

RETREATS = (
    (-1.0, 0.0, 0.0),
    (-0.7071, 0.0, -0.7071),
    (0.0, 0.0, -1.0),
    (-0.7071, 0.7071, 0.0),
    (-0.7071, -0.7071, 0.0),
)
OBJECT_CLEARANCE = 0.004
LIFT = 0.05


@dataclass(frozen=True)
class Trial:
    """How one candidate did in one scenario."""

    lifted: bool
    survival: float
    nominal: bool
    peak_force: float


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


class Candidate:
    """A candidate's arm motion for one world; raises :class:`MotionError` if the arm cannot make it from its home."""

    def __init__(self, kinematics: ArmKinematics, pregrasp: PreGrasp, T_world_object: Array) -> None:
        approach = plan_approach(kinematics, pregrasp, T_world_object, np.array(kinematics.world.arm.home))
        self.pregrasp = pregrasp
        self.arm_q = approach.arm_q
        goal = approach.T_world_hand.copy()
        goal[2, 3] += LIFT
        self.lift = cartesian_line(kinematics, self.arm_q, approach.T_world_hand, goal, np.full(6, 3.0), 1.0, 1.0)


def try_candidate(world: World, candidate: Candidate, friction: float, squeeze: float) -> Trial:
    """Close, lift and test one candidate at effective friction ``friction``."""
    pregrasp = candidate.pregrasp
    world.reset(world.scenario)
    world.set_friction(friction)
    world.teleport_arm(candidate.arm_q)
    world.teleport_hand(pregrasp.preshape())
    world.step(25)
    scripted_close(world, effort_of(world, squeeze, pregrasp.finger_ratio))
    world.hold_hand()
    start = world.object_pose()[2, 3]
    period = 0.004
    for i in range(round(1.0 / period)):
        world.set_arm_target(candidate.lift.sample((i + 1) * period))
        world.step(round(period / world.parameters.timestep))
    world.step(round(0.2 / world.parameters.timestep))
    if world.object_pose()[2, 3] - start < 0.8 * LIFT or world.object_on_table():
        return Trial(False, 0.0, False, 0.0)
    nominal = run_nominal(world)
    outcomes = run_battery(world)
    return Trial(True, float(np.mean([o.survived for o in outcomes])), nominal.success, nominal.peak_force)


def sample_pregrasp(rng: np.random.Generator, object_name: str, half_height: float, retreat_index: int) -> PreGrasp:
    """Draw a candidate: side grasps (fingers level, thumb up) for tall objects, palm-down grasps for low ones."""
    tall = half_height > 0.045
    if rng.random() < (0.9 if tall else 0.1):
        base = np.column_stack([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
        spread = rng.choice([0.07, 0.25])
        tilt = (
            _rotation("x", rng.normal(0, spread))
            @ _rotation("y", rng.normal(0, spread))
            @ _rotation("z", rng.normal(0, spread))
        )
    else:
        base = np.column_stack([[0, 0, -1.0], [0, 1.0, 0], [1.0, 0, 0]])
        tilt = _rotation("y", rng.uniform(-0.2, 0.9)) @ _rotation("z", rng.choice([0.0, 1.0]) * rng.uniform(-1.8, 1.8))
    rotation = _rotation("z", rng.uniform(-np.pi, np.pi)) @ base @ tilt
    centre = np.array([rng.uniform(0.02, 0.085), rng.uniform(-0.03, 0.03), rng.uniform(0.06, 0.15)])
    height = rng.uniform(-0.5, 0.8) * half_height if tall else rng.uniform(-0.3, 0.5) * half_height
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.flatten())
    return PreGrasp(
        object_name=object_name,
        index=0,
        position=tuple(-rotation @ centre + np.array([0, 0, height])),  # type: ignore[arg-type]
        quaternion=tuple(quaternion),  # type: ignore[arg-type]
        thumb_yaw=float(rng.uniform(0.7, 1.25)),
        thumb_pitch=float(rng.choice([0.0, 0.0, 0.0, rng.uniform(0, 0.25)])),
        finger_flex=float(rng.choice([0.0, rng.uniform(0, 0.5)])),
        finger_ratio=float(rng.uniform(0.6, 1.0)),
        squeeze=float(rng.uniform(0.6, 1.0)),
        retreat=RETREATS[retreat_index],
        score=0.0,
    )


def generate(
    object_name: str,
    hand: str,
    seed: int,
    evaluations: int,
    keep: int = 4,
    start: Sequence[PreGrasp] = (),
    progress: Callable[[int, int, float], None] | None = None,
) -> list[PreGrasp]:
    """Return the best pre-grasps found with ``evaluations`` simulated candidates.

    Args:
        object_name: Object description.
        hand: Hand variant.
        seed: Seed of the candidates.
        evaluations: Number of candidates that reach the simulator, two thirds as neighbours of the best so far.
        keep: Size of the library.
        start: Pre-grasps to begin from, such as those of an earlier search; random ones fill up a third of the budget.
        progress: Called with (done, total, best score so far).
    """
    rng = np.random.default_rng(seed)
    world = World(Scenario(object_name, hand=hand))
    kinematics = ArmKinematics(world)
    closure = ClosureFilter(kinematics)
    found: list[tuple[float, PreGrasp]] = []

    def consider(sample: PreGrasp) -> None:
        world.reset(world.scenario)
        try:
            candidate = Candidate(kinematics, sample, world.object_pose())
            trials = [try_candidate(world, candidate, friction, sample.squeeze) for friction in (0.55, 0.3)]
        except (MotionError, SimulationError):
            return
        found.append((float(np.mean([_value(t) for t in trials])), sample))
        found.sort(key=lambda item: -item[0])
        if progress is not None:
            progress(len(found), evaluations, found[0][0])

    for sample in start:
        consider(sample)
    draws = 0 if 3 * len(found) >= evaluations else 40 * evaluations
    for sample in _ranked_samples(rng, closure, object_name, world.object.half_height, draws):
        if 3 * len(found) < evaluations:
            consider(sample)
    for _ in range(20 * evaluations):
        if len(found) >= evaluations or not found:
            break
        parent = found[min(int(rng.exponential(2.5)), len(found) - 1)][1]
        child = mutate(rng, parent)
        if closure.clearance(child) >= OBJECT_CLEARANCE and closure.epsilon(child) > 0:
            consider(child)
    scored = [_score(hand, sample) for value, sample in _spread(found, 2 * keep) if value > 0]
    return _distinct(sorted(scored, key=lambda p: -p.score), keep)


def _value(trial: Trial) -> float:
    """Return what a trial is worth: survival, a bonus for the nominal test, a malus beyond 18 N at a fingertip."""
    return trial.survival + 0.2 * trial.nominal - 0.02 * max(0.0, trial.peak_force - 18.0)


def slide(pregrasp: PreGrasp, distance: float) -> PreGrasp:
    """Return the pre-grasp moved by ``distance`` [m] along the palm's normal."""
    normal = pregrasp.T_object_hand()[:3, 0]
    return replace(pregrasp, position=tuple(np.asarray(pregrasp.position) + distance * normal))


def mutate(rng: np.random.Generator, parent: PreGrasp) -> PreGrasp:
    """Return a neighbour of a pre-grasp: a few millimetres and degrees away."""
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, np.asarray(parent.quaternion))
    turn = _rotation("x", rng.normal(0, 0.1)) @ _rotation("y", rng.normal(0, 0.1)) @ _rotation("z", rng.normal(0, 0.1))
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, (rotation.reshape(3, 3) @ turn).flatten())
    return replace(
        parent,
        position=tuple(np.asarray(parent.position) + rng.normal(0, 0.006, 3)),
        quaternion=tuple(float(x) for x in quaternion),  # type: ignore[arg-type]
        thumb_yaw=float(np.clip(parent.thumb_yaw + rng.normal(0, 0.1), 0.5, 1.25)),
        thumb_pitch=float(np.clip(parent.thumb_pitch + rng.normal(0, 0.04), 0.0, 0.5)),
        finger_flex=float(np.clip(parent.finger_flex + rng.normal(0, 0.08), 0.0, 0.7)),
        finger_ratio=float(np.clip(parent.finger_ratio + rng.normal(0, 0.1), 0.3, 1.0)),
        squeeze=float(np.clip(parent.squeeze + rng.normal(0, 0.1), 0.3, 1.0)),
    )


def _spread(found: list[tuple[float, PreGrasp]], count: int) -> list[tuple[float, PreGrasp]]:
    """Return the best that are not near-copies of each other, best first."""
    chosen: list[tuple[float, PreGrasp]] = []
    for value, sample in found:
        if len(chosen) < count and all(not _near(sample, other) for _, other in chosen):
            chosen.append((value, sample))
    return chosen


def _ranked_samples(
    rng: np.random.Generator, closure: ClosureFilter, object_name: str, half_height: float, draws: int
) -> list[PreGrasp]:
    """Return the free samples among ``draws`` whose kinematic closure has quality, best first."""
    ranked = []
    for _ in range(draws):
        sample = sample_pregrasp(rng, object_name, half_height, int(rng.integers(len(RETREATS))))
        # Slide along the palm's normal until the object is 5 to 15 mm away: most free draws are too far to hold it.
        sample = slide(sample, closure.clearance(sample) - rng.uniform(0.005, 0.015))
        if closure.clearance(sample) >= OBJECT_CLEARANCE:
            epsilon = closure.epsilon(sample)
            if epsilon > 0:
                ranked.append((epsilon, sample))
    return [sample for _, sample in sorted(ranked, key=lambda item: -item[0])]


def _score(hand: str, pregrasp: PreGrasp) -> PreGrasp:
    """Score at two frictions and two pose errors, over two squeeze levels; keep the best level."""
    errors = ((0.0, 0.0, 0.0), (0.004, -0.004, 0.08))
    best, best_squeeze = -1.0, pregrasp.squeeze
    for squeeze in (pregrasp.squeeze, 0.6):
        total = []
        for dx, dy, yaw in errors:
            world = World(Scenario(pregrasp.object_name, hand=hand, object_yaw=yaw))
            kinematics = ArmKinematics(world)
            try:
                candidate = Candidate(kinematics, pregrasp, _shifted(world.object_pose(), dx, dy))
                trials = [try_candidate(world, candidate, friction, squeeze) for friction in (0.25, 0.6)]
            except (MotionError, SimulationError):
                trials = [Trial(False, 0.0, False, 0.0)] * 2
            total += [_value(t) for t in trials]
        if float(np.mean(total)) > best:
            best, best_squeeze = float(np.mean(total)), squeeze
    return replace(pregrasp, score=round(best, 3), squeeze=best_squeeze)


def _shifted(pose: Array, dx: float, dy: float) -> Array:
    result = pose.copy()
    result[:2, 3] += (dx, dy)
    return result


def _distinct(pregrasps: list[PreGrasp], keep: int) -> list[PreGrasp]:
    chosen = [p for _, p in _spread([(p.score, p) for p in pregrasps], keep)]
    return [replace(p, index=i) for i, p in enumerate(chosen)]


def _near(a: PreGrasp, b: PreGrasp) -> bool:
    apart = float(np.linalg.norm(np.subtract(a.position, b.position)))
    return apart < 0.008 and abs(float(np.dot(a.quaternion, b.quaternion))) > 0.99


def _rotation(axis: str, angle: float) -> Array:
    quaternion, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quaternion, np.eye(3)["xyz".index(axis)], angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)
