"""The record of one trial, whichever way it ran: through the node graph or without middleware.

Everything here is plain Python (tuples of floats, no arrays, tensors or messages), so that records compare by equality
and two ways of running the same trial can be held against each other step by step. Wall-clock times sit in
``planning_time``, ``deadline_met`` and ``durations`` and nowhere else; the rest is reproducible.

A composed trial that wants pictures hands a :class:`vnb_sim_bridge.render.film.Filmer` to whoever owns the world; see
there for the calls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vnb_planner.attempts import AttemptRule
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.scenario import Scenario

VERSION = "0.1.0"
"""Version of this code, as in the package manifests."""

Floats = tuple[float, ...]
Matrix = tuple[Floats, ...]


@dataclass(frozen=True)
class StepRecord:
    """One decision step. Per-finger tuples: thumb, index, middle, ring, pinky. NaN: not computed.

    Attributes:
        step: Decision step, from 0.
        time: Simulated time of the readings [s].
        phase: ``idle``, ``closing``, ``done``, ``hold`` or ``failed``.
        logits, means, log_stds: Belief mixture (K,), (K, 26), (K, 26) in unconstrained latent coordinates; empty if the
            step has no belief.
        entropy: Entropy of the belief [nats].
        cvar, expected_cost, p_fail, objective: Risk figures of the chosen action.
        epsilon_hat: Grasp quality from touch.
        epsilon_true: Grasp quality of the true contacts, which no method sees.
        force_sensed, force_true: Normal force per finger (5,) [N].
        contact: Contact flag per finger (5,), from touch.
        action: Velocity of the servo targets (6,) [rad/s].
        component: Mixture component that the action was found for; -1 if none.
        object_position: True position of the object's centre in the world (3,) [m].
        planning_time: Wall-clock time of the decision [s].
        deadline_met: False if the decision exceeded its time budget.
        object_quaternion: True rotation of the object in the world (w, x, y, z).
        object_estimate: Estimated pose of the object in hand_base (7,): position [m], then quaternion (w, x, y, z).
        hand_joints: The eleven hand joints, actuated ones first (11,) [rad].
        arm_joints: Arm joints (6,) [rad].
        taxels: Bytes of the five pads, each row-major, row 0 at the tip.
        friction: Mean and standard deviation of the log friction that ``p_fail`` was computed with.
    """

    step: int
    time: float
    phase: str
    logits: Floats
    means: Matrix
    log_stds: Matrix
    entropy: float
    cvar: float
    expected_cost: float
    p_fail: float
    objective: float
    epsilon_hat: float
    epsilon_true: float
    force_sensed: Floats
    force_true: Floats
    contact: tuple[bool, ...]
    action: Floats
    component: int
    object_position: Floats
    planning_time: float
    deadline_met: bool
    object_quaternion: Floats = ()
    object_estimate: Floats = ()
    hand_joints: Floats = ()
    arm_joints: Floats = ()
    taxels: tuple[tuple[int, ...], ...] = ()
    friction: tuple[float, float] = (math.nan, math.nan)

    def belief(self) -> tuple[Floats, Matrix, Matrix]:
        """Return logits, means and log standard deviations of the belief."""
        return self.logits, self.means, self.log_stds


class _Outcome(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def survived(self) -> bool: ...
    @property
    def drop(self) -> float: ...
    @property
    def displacement(self) -> float: ...
    @property
    def rotation(self) -> float: ...


@dataclass(frozen=True)
class TestRecord:
    """One battery test: how far the object fell, moved [m] and turned [rad]."""

    __test__ = False  # not a pytest class

    name: str
    survived: bool
    drop: float
    displacement: float
    rotation: float


@dataclass(frozen=True)
class Verdict:
    """Outcome of lift and tests; field by field that of :class:`vnb_sim_bridge.bridge.StressReport`.

    Attributes:
        lifted: The object came up with the hand and hangs free.
        lift_height: Rise of the object [m].
        nominal, nominal_12: Within 1 cm through lateral pulses up to 8 N, and up to 12 N.
        survival: Share of the battery survived; NaN if it did not run.
        tests: Battery outcomes in order; empty if it did not run.
        peak_force: Largest fingertip force [N].
        peak_slip: Largest displacement in the nominal test [m].
        time_to_slip: When the object first moved 5 mm in the nominal test [s]; NaN if never.
        failure_mode: ``none``, ``grasp``, ``lift``, ``slip`` or ``perturbation``.
    """

    lifted: bool
    lift_height: float
    nominal: bool
    nominal_12: bool
    survival: float
    tests: tuple[TestRecord, ...]
    peak_force: float
    peak_slip: float
    time_to_slip: float
    failure_mode: str


@dataclass(frozen=True)
class TrialRecord:
    """A finished trial, or one that an error ended (then ``verdict`` may be None).

    Attributes:
        scenario: What was drawn.
        method: Planner name.
        belief: Belief name.
        beta: Confidence level of the risk measure.
        hand: Hand variant.
        pregrasp: Index of the library's pre-grasp, of the last attempt; -1 if none was reached.
        steps: Every decision step of all attempts; their numbers start again with each.
        stop_reason: Stopping rule that ended the last closing; empty on an error.
        verdict: Outcome of lift and tests.
        error_code, error_message: As in ``vnb_msgs/ErrorCode``; 0 and empty if nothing went wrong.
        checkpoint: SHA-256 of the belief's checkpoint file; empty if the belief has none.
        versions: Versions of the code and of the libraries that decide numbers.
        durations: Wall-clock seconds of each part of the trial (approach, grasp, lift, tests, ...).
        attempts: Times that the object was taken.
        abstained: The method declined to lift; it was lifted and tested all the same.
        conditions: Of the simulated world; a shifted simulator, late commands and scaled disturbances stand here.
        rule: When it was to be lifted, taken again, or given up.
    """

    scenario: Scenario
    method: str
    belief: str
    beta: float
    hand: str
    pregrasp: int
    steps: tuple[StepRecord, ...]
    stop_reason: str
    verdict: Verdict | None
    error_code: int = 0
    error_message: str = ""
    checkpoint: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 1
    abstained: bool = False
    conditions: Conditions = field(default_factory=Conditions)
    rule: AttemptRule = field(default_factory=AttemptRule)


def floats(values: Iterable[float]) -> Floats:
    """Return numbers (array, tensor or list) as a tuple of Python floats."""
    return tuple(float(value) for value in values)


def matrix(rows: Iterable[Iterable[float]]) -> Matrix:
    """Return rows of numbers as tuples of Python floats."""
    return tuple(floats(row) for row in rows)


def battery_records(outcomes: Iterable[_Outcome]) -> tuple[TestRecord, ...]:
    """Return battery outcomes (simulator's or messages') as records."""
    return tuple(
        TestRecord(str(o.name), bool(o.survived), float(o.drop), float(o.displacement), float(o.rotation))
        for o in outcomes
    )


def succeeded(verdict: Verdict | None) -> bool:
    """Return True if the object was lifted and stayed put through the nominal test."""
    return verdict is not None and verdict.lifted and verdict.nominal


def survived_tests(verdict: Verdict) -> tuple[int, int]:
    """Return how many battery tests the grasp survived, and how many ran."""
    return sum(test.survived for test in verdict.tests), len(verdict.tests)
