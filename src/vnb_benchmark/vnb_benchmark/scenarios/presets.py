"""Presets: the scenario sets that results are reported on. A set of a seed is always the same one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from vnb_benchmark.scenarios.case import Case, CaseSet
from vnb_benchmark.scenarios.seeds import split_seeds
from vnb_grasp.description import known_objects
from vnb_grasp.registry import Registry
from vnb_sim_bridge.pregrasp.library import FRICTIONS
from vnb_sim_bridge.scenario import FRICTION_FINGER, Scenario, draw_scenario, stream
from vnb_sim_bridge.world.parameters import WorldParameters

PRESETS: Registry[Callable[[int], CaseSet]] = Registry("scenario preset")
"""Functions from the seed of a set to the set; all raise :class:`ConfigError` for a seed without scenario seeds."""

PAPER_BETAS = (0.5, 0.9, 0.95, 0.99)
FRICTION_REGIMES = ("nominal", "wide", "bimodal")

POSE_TRANSLATION = 0.010
POSE_ROTATION = float(np.deg2rad(10.0))
"""Largest constant errors of the pose sensor [m], [rad] in the regimes ``pose`` and ``combined``."""

SHIFTED = WorldParameters(
    timestep=0.001,
    solver="cg",
    impratio=5.0,
    contact_impedance=0.6,
    torsional_ratio=0.003,
    friction_table=0.4,
)
"""A simulator that nothing was chosen on: other step and solver, other contact impedance, less torsional friction."""

PROMISE_SETS = 200
"""Seeds of calibration sets below this one are tuned and calibrated on; promises are measured on others."""
PROMISE_SEEDS = 4

SWEEP_SEEDS = 3
SWEEP_POSE = (0.0, 2.5, 5.0, 10.0, 15.0)
_SWEEP_STD = 4.5
"""Spread that the sensor states at every level of that sweep [mm, degrees]: so that only the error changes."""
SWEEP_FRICTION = (0.15, 0.20, 0.25, 0.30, 0.40, 0.50, 0.60)
SWEEP_MASS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
SWEEP_DISTURBANCE = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
SWEEP_LATENCY = (0.0, 1.0, 2.0, 3.0, 5.0)


_BALL_STD = 5.0**-0.5
"""Standard deviation per axis of a point uniform in the unit ball."""


def pose_error(scenario: Scenario, translation: float, rotation: float) -> Scenario:
    """Return the scenario with a constant pose error drawn from its seed, uniform in two balls, whose spread is stated.

    Args:
        scenario: Whose object and seed the error is drawn from.
        translation: Radius of the translations [m].
        rotation: Radius of the rotation vectors [rad].
    """
    rng = stream(scenario.seed, f"pose error/{scenario.object_name}")
    wrong = _with_pose_bias(scenario, translation * _in_ball(rng), rotation * _in_ball(rng))
    return replace(wrong, pose_translation_std=translation * _BALL_STD, pose_rotation_std=rotation * _BALL_STD)


def _in_ball(rng: np.random.Generator) -> np.ndarray:
    return _direction(rng) * rng.uniform() ** (1.0 / 3.0)


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _with_pose_bias(scenario: Scenario, translation: np.ndarray, rotation: np.ndarray) -> Scenario:
    x, y, z, *turn = (float(value) for value in (*translation, *rotation))
    return replace(scenario, pose_bias=(x, y, z, turn[0], turn[1], turn[2]))


# --- regimes ----------------------------------------------------------------------------------------------------------


def _grid(regime: str, seeds: Iterable[int]) -> Iterator[Scenario]:
    """Yield every object at every seed; an object's come together, as each object needs a model of its own."""
    seeds = tuple(seeds)
    for name in known_objects():
        for seed in seeds:
            yield draw_scenario(name, regime, seed)


def _friction_cases(split: str, seeds: Iterable[int], regimes: Iterable[str]) -> Iterator[Case]:
    seeds = tuple(seeds)
    for regime in regimes:
        for scenario in _grid(regime, seeds):
            yield Case(0, split, scenario)


def _pose_cases(split: str, seeds: Iterable[int], regime: str, friction: str) -> Iterator[Case]:
    for scenario in _grid(friction, seeds):
        yield Case(0, split, pose_error(scenario, POSE_TRANSLATION, POSE_ROTATION), regime)


def _shifted_cases(split: str, seeds: Iterable[int]) -> Iterator[Case]:
    for case in _friction_cases(split, seeds, ("nominal", "bimodal")):
        yield replace(case, regime="shifted", parameters=SHIFTED)


def _case_set(name: str, seed: int, cases: Iterable[Case], betas: tuple[float, ...] = (0.9,)) -> CaseSet:
    return CaseSet(name, tuple(replace(case, index=i) for i, case in enumerate(cases)), betas, seed)


@PRESETS.register("quick")
def quick(seed: int) -> CaseSet:
    """Return a set to try a method on: every object once at nominal and bimodal friction, one beta."""
    return _case_set("quick", seed, _friction_cases("test", split_seeds("test", seed, 1), ("nominal", "bimodal")))


@PRESETS.register("paper")
def paper(seed: int) -> CaseSet:
    """Return the paper's grid: every object at three seeds and three friction regimes, four betas."""
    cases = _friction_cases("test", split_seeds("test", seed, 3), FRICTION_REGIMES)
    return _case_set("paper", seed, cases, PAPER_BETAS)


@PRESETS.register("full")
def full(seed: int) -> CaseSet:
    """Return every object at eight seeds in six regimes.

    They are ``nominal``, ``wide`` and ``bimodal`` friction, ``pose`` (large pose errors at nominal friction),
    ``combined`` (large pose errors at bimodal friction) and ``shifted`` (another simulator, at nominal and bimodal
    friction). Their draws are paired: pose errors and the other simulator come to the nominal and bimodal scenarios.
    """
    seeds = split_seeds("test", seed, 8)
    cases = (
        *_friction_cases("test", seeds, FRICTION_REGIMES),
        *_pose_cases("test", seeds, "pose", "nominal"),
        *_pose_cases("test", seeds, "combined", "bimodal"),
        *_shifted_cases("test", seeds),
    )
    return _case_set("full", seed, cases)


@PRESETS.register("calibration")
def calibration(seed: int) -> CaseSet:
    """Return the set that tuned settings and thresholds are chosen on; it shares no seed with a reported one."""
    seeds = split_seeds("calibration", seed, 4)
    cases = (
        *_friction_cases("calibration", seeds, FRICTION_REGIMES),
        *_pose_cases("calibration", seeds, "pose", "nominal"),
        *_pose_cases("calibration", seeds, "combined", "bimodal"),
    )
    return _case_set("calibration", seed, cases)


@PRESETS.register("promises")
def promises(seed: int) -> CaseSet:
    """Return the set on which pre-grasps are measured: every object at every friction that the library tells of."""
    seeds = split_seeds("calibration", PROMISE_SETS + seed, PROMISE_SEEDS)
    cases = (
        Case(0, "calibration", replace(scenario, friction_object=friction**2 / scenario.friction_finger))
        for friction in FRICTIONS
        for scenario in _grid("nominal", seeds)
    )
    return _case_set("promises", seed, cases)


@PRESETS.register("ablation")
def ablation(seed: int) -> CaseSet:
    """Return what parts of a method are compared on: 63 paired scenarios in each of three regimes."""
    seeds = split_seeds("test", seed, 9)
    cases = (
        *_friction_cases("test", seeds, ("nominal", "bimodal")),
        *_pose_cases("test", seeds, "combined", "bimodal"),
    )
    return _case_set("ablation", seed, cases)


# --- sweeps -----------------------------------------------------------------------------------------------------------


def _sweep(seed: int, quantity: str, levels: Iterable[float], at: Callable[[Case, float], Case]) -> CaseSet:
    """Return nominal scenarios at every level; only the swept quantity differs between levels."""
    base = tuple(_friction_cases("test", split_seeds("test", seed, SWEEP_SEEDS), ("nominal",)))
    cases = (replace(at(case, level), sweep=quantity, level=level) for level in levels for case in base)
    return _case_set(f"sweep_{quantity}", seed, cases)


@PRESETS.register("sweep_pose")
def sweep_pose(seed: int) -> CaseSet:
    """Return a sweep of the pose error's size, in one direction per scenario: ``level`` is in mm, and in degrees."""

    def at(case: Case, level: float) -> Case:
        rng = stream(case.scenario.seed, f"pose error/{case.scenario.object_name}")
        translation, rotation = 1e-3 * level * _direction(rng), float(np.deg2rad(level)) * _direction(rng)
        scenario = _with_pose_bias(case.scenario, translation, rotation)
        rotation_std = float(np.deg2rad(_SWEEP_STD))
        return replace(
            case, scenario=replace(scenario, pose_translation_std=1e-3 * _SWEEP_STD, pose_rotation_std=rotation_std)
        )

    return _sweep(seed, "pose", SWEEP_POSE, at)


@PRESETS.register("sweep_friction")
def sweep_friction(seed: int) -> CaseSet:
    """Return a sweep of friction: ``level`` is the effective one between finger and object."""

    def at(case: Case, level: float) -> Case:
        return replace(case, scenario=replace(case.scenario, friction_object=level**2 / FRICTION_FINGER))

    return _sweep(seed, "friction", SWEEP_FRICTION, at)


@PRESETS.register("sweep_mass")
def sweep_mass(seed: int) -> CaseSet:
    """Return a sweep of the object's mass: ``level`` is the factor on the described one."""

    def at(case: Case, level: float) -> Case:
        return replace(case, scenario=replace(case.scenario, mass_scale=level))

    return _sweep(seed, "mass", SWEEP_MASS, at)


@PRESETS.register("sweep_disturbance")
def sweep_disturbance(seed: int) -> CaseSet:
    """Return a sweep of the tests' forces and torques: ``level`` is the factor on them."""
    return _sweep(seed, "disturbance", SWEEP_DISTURBANCE, lambda case, level: replace(case, disturbance_scale=level))


@PRESETS.register("sweep_latency")
def sweep_latency(seed: int) -> CaseSet:
    """Return a sweep of the commands' latency: ``level`` is in decision steps."""
    return _sweep(seed, "latency", SWEEP_LATENCY, lambda case, level: replace(case, latency=int(level)))
