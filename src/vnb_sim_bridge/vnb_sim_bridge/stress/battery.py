"""The nominal test and the battery of 28 independent tests, all from the same lifted state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_sim_bridge.stress.measure import Recorder
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

PULSE_FORCES = (3.0, 5.0, 8.0, 12.0)
NOMINAL_FORCE = 8.0
PULSE_DURATION = 0.15
TORQUES = (0.3, 0.6, 1.0)
TORQUE_DURATION = 0.2
FRICTION_DROPS = (0.05, 0.10, 0.15)
FRICTION_DURATION = 0.65
REST = 0.5
NOMINAL_REST = 0.25

NOMINAL_DISTANCE = 0.01
DROP_LIMIT, DISTANCE_LIMIT, ROTATION_LIMIT = 0.015, 0.04, 0.3


@dataclass(frozen=True)
class Perturbation:
    """One test: a wrench (6,) [N, N m] for ``duration`` [s], or a new object friction, then a rest."""

    name: str
    wrench: tuple[float, float, float, float, float, float] = (0.0,) * 6
    duration: float = 0.0
    friction_object: float | None = None


@dataclass(frozen=True)
class TestOutcome:
    """What one test did to the object; limits: drop 1.5 cm, displacement 4 cm, rotation 0.3 rad at the test's end."""

    __test__ = False  # not a pytest class

    name: str
    survived: bool
    drop: float
    displacement: float
    rotation: float


@dataclass(frozen=True)
class NominalOutcome:
    """Lateral pulses: was the object within 1 cm of its lifted pose throughout, up to 8 N and up to 12 N."""

    success: bool
    success_12: bool
    max_distance: float
    peak_force: float
    peak_slip: float
    time_to_slip: float


def perturbations(scale: float = 1.0) -> tuple[Perturbation, ...]:
    """Return the 28 tests: 4 forces x 4 horizontal directions, 3 torques x 3 axes, 3 friction drops.

    Args:
        scale: Factor on forces and torques; a friction drop is no disturbance of a size and stays as it is.
    """
    tests = []
    for force in (scale * force for force in PULSE_FORCES):
        for name, x, y in (("+x", 1, 0), ("-x", -1, 0), ("+y", 0, 1), ("-y", 0, -1)):
            tests.append(Perturbation(f"force {force:g} N {name}", (force * x, force * y, 0, 0, 0, 0), PULSE_DURATION))
    for torque in (scale * torque for torque in TORQUES):
        for axis, name in enumerate("xyz"):
            wrench = [0.0] * 6
            wrench[3 + axis] = torque
            tests.append(Perturbation(f"torque {torque:g} N m {name}", tuple(wrench), TORQUE_DURATION))  # type: ignore[arg-type]
    for friction in FRICTION_DROPS:
        tests.append(Perturbation(f"friction {friction:g}", duration=FRICTION_DURATION, friction_object=friction))
    return tuple(tests)


def run_perturbation(world: World, test: Perturbation, reference: Array) -> TestOutcome:
    """Run one test from the world's present state; the state is left where the test ends."""
    if test.friction_object is not None:
        world.set_friction(float(np.sqrt(world.scenario.friction_finger * test.friction_object)))
    recorder = Recorder(world, reference)
    recorder.run(test.duration, np.asarray(test.wrench, dtype=float))
    end = recorder.run(REST)
    survived = end.drop < DROP_LIMIT and end.distance < DISTANCE_LIMIT and end.rotation < ROTATION_LIMIT
    return TestOutcome(test.name, survived, end.drop, end.distance, end.rotation)


def run_battery(
    world: World, progress: Callable[[str, int, int], None] | None = None, scale: float = 1.0
) -> list[TestOutcome]:
    """Run the 28 tests, their forces and torques times ``scale``, each from the present state; return to that state."""
    return list(_battery(world, progress, scale))


def _battery(world: World, progress: Callable[[str, int, int], None] | None, scale: float) -> Iterator[TestOutcome]:
    start, reference = world.save(), world.object_pose()
    tests = perturbations(scale)
    for i, test in enumerate(tests):
        if progress is not None:
            progress(test.name, i, len(tests))
        yield run_perturbation(world, test, reference)
        world.restore(start)


def run_nominal(world: World, scale: float = 1.0) -> NominalOutcome:
    """Push the held object sideways (world +y, then -y) with 3, 5, 8 and 12 N, and return to the state before.

    Args:
        world: With the object in the lifted hand.
        scale: Factor on the forces, those up to which success is told included.
    """
    start, reference = world.save(), world.object_pose()
    recorder = Recorder(world, reference)
    begin = world.time
    within = {}
    for force in PULSE_FORCES:
        for sign in (1.0, -1.0):
            recorder.run(PULSE_DURATION, np.array([0.0, sign * scale * force, 0.0, 0.0, 0.0, 0.0]))
            recorder.run(NOMINAL_REST)
        within[force] = recorder.max_distance < NOMINAL_DISTANCE
        if force == NOMINAL_FORCE:
            peak = (recorder.max_distance, recorder.peak_force)
    world.restore(start)
    return NominalOutcome(
        success=within[NOMINAL_FORCE],
        success_12=within[PULSE_FORCES[-1]],
        max_distance=peak[0],
        peak_force=peak[1],
        peak_slip=recorder.peak_slip,
        time_to_slip=recorder.first_slip - begin,
    )
