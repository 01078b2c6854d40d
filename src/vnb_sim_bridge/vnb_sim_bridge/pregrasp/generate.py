"""Generate the pre-grasp library: random hand poses in two families, kept if the arm reaches them and the grasp holds.

Every candidate is tried in the simulator under conditions that it cannot choose (see :mod:`.evaluate`); what comes
through best is the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import MotionError, SimulationError
from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.pregrasp.closure import ClosureFilter
from vnb_sim_bridge.pregrasp.evaluate import Candidate, Condition, conditions, measure, values
from vnb_sim_bridge.pregrasp.library import PreGrasp
from vnb_sim_bridge.scenario import Scenario
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
RACE, FINAL = 6, 24
"""Conditions of the race, and further ones for the finalists."""
_LEADERS = 6
_PLACES = 8
_SLACK = 0.35
"""By how much [value] one trial may fall behind the last leader's before a candidate is given up."""


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

    A candidate is tried under one condition after another and given up as soon as it falls behind the best so far;
    the finalists are tried under many more, which give their scores.

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
    race = _Race(conditions(RACE + FINAL, seed)[:RACE])
    found: list[tuple[float, PreGrasp]] = []
    done = 0

    def consider(sample: PreGrasp) -> None:
        nonlocal done
        try:
            candidate = Candidate(kinematics, sample, world.object_pose())
        except MotionError:
            return
        done += 1
        with suppress(SimulationError):
            value = race.run(values(world, candidate, race.conditions))
            if value is not None:
                found.append((value, sample))
                found.sort(key=lambda item: -item[0])
        if progress is not None:
            progress(done, evaluations, found[0][0] if found else 0.0)

    for sample in start:
        consider(sample)
    draws = 0 if 3 * done >= evaluations else 40 * evaluations
    for sample in _ranked_samples(rng, closure, object_name, world.object.half_height, draws):
        if 3 * done < evaluations:
            consider(sample)
    for _ in range(20 * evaluations):
        if done >= evaluations or not found:
            break
        parent = found[min(int(rng.exponential(2.5)), len(found) - 1)][1]
        child = mutate(rng, parent)
        if closure.clearance(child) >= OBJECT_CLEARANCE and closure.epsilon(child) > 0:
            consider(child)
    final = conditions(RACE + FINAL, seed)
    scored = []
    for _, sample in _spread(found, 2 * keep):
        if _within_reach(kinematics, sample, world.object_pose(), np.random.default_rng([seed, 81])):
            scored.append(measure(world, Candidate(kinematics, sample, world.object_pose()), final))
    return _distinct(sorted((p for p in scored if p.score > 0), key=lambda p: -p.score), keep)


def _within_reach(kinematics: ArmKinematics, sample: PreGrasp, pose: Array, rng: np.random.Generator) -> bool:
    """Return whether the arm reaches a pre-grasp for most of the places where the object may stand."""
    reached = 0
    for _ in range(_PLACES):
        moved = pose.copy()
        moved[:3, :3] = _rotation("z", float(rng.normal(0.0, 0.1))) @ pose[:3, :3]
        moved[:3, 3] += rng.normal(0.0, [0.01, 0.01, 0.0015])
        try:
            Candidate(kinematics, sample, moved)
        except MotionError:
            continue
        reached += 1
    return 4 * reached >= 3 * _PLACES


class _Race:
    """Compares candidates condition by condition, so that a poor one costs one trial and not six."""

    def __init__(self, under: tuple[Condition, ...]) -> None:
        self.conditions = under
        self._leaders: list[list[float]] = []  # running means of those that came through, best first

    def run(self, trials: Iterator[float]) -> float | None:
        """Return the mean value over all conditions, or None for a candidate that was given up."""
        means: list[float] = []
        total = 0.0
        for i, value in enumerate(trials):
            total += value
            means.append(total / (i + 1))
            if len(self._leaders) >= _LEADERS and means[-1] < self._leaders[-1][i] - _SLACK / (i + 1):
                return None
        self._leaders = sorted([*self._leaders, means], key=lambda run: -run[-1])[:_LEADERS]
        return means[-1]


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
