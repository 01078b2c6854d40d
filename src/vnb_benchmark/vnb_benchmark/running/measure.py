"""What is kept of an episode, from plain values: the same for a trial in process and one through the node graph."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from typing import Any

from vnb_benchmark.episode import Episode, Step
from vnb_benchmark.outcome import OK, STATUSES, Outcome
from vnb_benchmark.scenarios.case import Case
from vnb_grasp.description import load_object
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_planner.models import NUM_ACTUATED
from vnb_sim_bridge.bridge import StressReport

ABSTAINED = "abstained"
"""Stop reason of a method that declines to lift."""

Floats = tuple[float, ...]


@dataclass(frozen=True)
class StepFacts:
    """One decision step: what was sensed, believed and done, and the truth beside it. NaN: not computed.

    Attributes:
        step: Decision step.
        force, contact: Sensed normal force [N] and contact flag per finger (5,).
        epsilon_hat: Grasp quality from touch.
        epsilon_true: Grasp quality of the true contacts; of the last step at least.
        force_true: True normal force per finger (5,) [N].
        object_position: True position of the object in the world (3,) [m].
        logits, means, log_stds: Belief mixture (K,), (K, D), (K, D); empty if there is none.
        action: Velocity of the servo targets (6,) [rad/s].
        p_fail: Failure probability of the action.
        planning_time: Wall-clock time of the decision [s]; not part of the digest.
    """

    step: int
    force: Floats
    contact: tuple[bool, ...]
    epsilon_hat: float
    epsilon_true: float
    force_true: Floats
    object_position: Floats
    logits: Floats
    means: tuple[Floats, ...]
    log_stds: tuple[Floats, ...]
    action: Floats
    p_fail: float
    planning_time: float


@dataclass(frozen=True)
class VerdictFacts:
    """The verdict of lift and tests; ``outcomes`` has one character per battery test, ``1`` survived, ``0`` not."""

    lifted: bool
    lift_height: float
    nominal: bool
    nominal_12: bool
    outcomes: str
    displacements: Floats
    peak_force: float
    peak_slip: float
    time_to_slip: float
    failure_mode: str


@dataclass(frozen=True)
class TrialFacts:
    """A finished trial in plain values."""

    pregrasp: int
    stop_reason: str
    steps: tuple[StepFacts, ...]
    verdict: VerdictFacts
    attempts: int = 1
    abstained: bool = False
    evidence: Floats = ()


def floats(values: Iterable[float]) -> Floats:
    """Return numbers (array, tensor or list) as Python floats, which keep every bit."""
    return tuple(float(value) for value in values)


def facts_of_episode(episode: Episode) -> TrialFacts:
    """Return the plain values of an episode that ran without middleware."""
    steps = tuple(_facts_of_step(step) for step in episode.steps)
    return TrialFacts(
        episode.pregrasp,
        episode.stop_reason,
        steps,
        verdict_facts(episode.report),
        episode.attempts,
        episode.abstained,
        floats(episode.steps[-1].control.decision.evidence.values()) if episode.steps else (),
    )


def _facts_of_step(step: Step) -> StepFacts:
    control, truth = step.control, step.truth
    belief, quality, decision = control.belief, control.quality, control.decision
    return StepFacts(
        step=int(truth.step),
        force=floats(quality.force.tolist()),
        contact=tuple(bool(flag) for flag in quality.contact),
        epsilon_hat=float(quality.epsilon_hat),
        epsilon_true=float(truth.epsilon),
        force_true=floats(truth.finger_force),
        object_position=floats(truth.T_world_object[:3, 3]),
        logits=floats(belief.logits.double().tolist()),
        means=tuple(floats(row) for row in belief.means.double().tolist()),
        log_stds=tuple(floats(row) for row in belief.log_stds.double().tolist()),
        action=floats(decision.action.double().tolist()),
        p_fail=float(decision.p_fail),
        planning_time=float(decision.planning_time),
    )


def verdict_facts(report: StressReport | Any) -> VerdictFacts:
    """Return the plain values of the bridge's report, or of a record with the same fields."""
    return VerdictFacts(
        lifted=bool(report.lifted),
        lift_height=float(report.lift_height),
        nominal=bool(report.nominal),
        nominal_12=bool(report.nominal_12),
        outcomes="".join("1" if test.survived else "0" for test in report.tests),
        displacements=floats(test.displacement for test in report.tests),
        peak_force=float(report.peak_force),
        peak_slip=float(report.peak_slip),
        time_to_slip=float(report.time_to_slip),
        failure_mode=str(report.failure_mode),
    )


def digest_of(facts: TrialFacts) -> str:
    """Return the SHA-256 over every step and the verdict, with exact float bytes.

    Planning times are left out, and so is the true quality of all steps but the last, which is not always computed.
    """
    hasher = hashlib.sha256()
    for step in facts.steps:
        for field in fields(step):
            if field.name not in ("planning_time", "epsilon_true"):
                _feed(hasher, getattr(step, field.name))
    _feed(hasher, facts.steps[-1].epsilon_true if facts.steps else math.nan)
    _feed(hasher, (facts.pregrasp, facts.attempts, facts.abstained, facts.stop_reason, *astuple(facts.verdict)))
    return hasher.hexdigest()


def _feed(hasher: Any, value: object) -> None:
    """Hash a value with its kind and length, so that no two different values give the same bytes."""
    if isinstance(value, float):
        # Any NaN is the same NaN: its payload may change on the way through a message.
        hasher.update(b"f" + struct.pack("<d", math.nan if math.isnan(value) else value))
    elif isinstance(value, int):  # also bool
        hasher.update(b"i" + struct.pack("<q", value))
    elif isinstance(value, str):
        data = value.encode()
        hasher.update(b"s" + struct.pack("<q", len(data)) + data)
    elif isinstance(value, tuple):
        hasher.update(b"t" + struct.pack("<q", len(value)))
        for item in value:
            _feed(hasher, item)
    else:
        raise ConfigError(f"digest: got a {type(value).__name__}, expected float, int, str or a tuple of them")


def outcome_of_episode(case: Case, method: str, beta: float, episode: Episode, wall_time: float) -> Outcome:
    """Return what is kept of a finished episode.

    Raises:
        VnbError: See :func:`outcome_of_facts`.
    """
    return outcome_of_facts(case, method, beta, facts_of_episode(episode), wall_time + episode.saved_time)


def outcome_of_facts(case: Case, method: str, beta: float, facts: TrialFacts, wall_time: float) -> Outcome:
    """Return what is kept of a finished trial.

    Raises:
        NonFiniteError: If an action or a number that every verdict has is NaN or infinite.
        ShapeError: If an action has not one velocity per actuated joint.
        ConfigError: If a failure probability is outside of [0, 1].
    """
    _require_sound(case, method, facts)
    verdict = facts.verdict
    last = facts.steps[-1] if facts.steps else None
    return Outcome(
        **_about(case, method, beta),
        status=OK,
        error="",
        pregrasp=int(facts.pregrasp),
        attempts=int(facts.attempts),
        steps=len(facts.steps),
        stop_reason=facts.stop_reason,
        lifted=verdict.lifted,
        nominal=verdict.nominal,
        nominal_12=verdict.nominal_12,
        survived=verdict.outcomes.count("1"),
        tests=len(verdict.outcomes),
        outcomes=verdict.outcomes,
        lift_height=verdict.lift_height,
        peak_force=verdict.peak_force,
        peak_slip=verdict.peak_slip,
        time_to_slip=verdict.time_to_slip,
        failure_mode=verdict.failure_mode,
        abstained=facts.abstained or facts.stop_reason == ABSTAINED,
        p_fail=last.p_fail if last else math.nan,
        epsilon_hat=last.epsilon_hat if last else math.nan,
        epsilon_true=last.epsilon_true if last else math.nan,
        epsilon_series=tuple(step.epsilon_hat for step in facts.steps),
        p_fail_series=tuple(step.p_fail for step in facts.steps),
        planning_series=tuple(step.planning_time for step in facts.steps),
        wall_time=wall_time,
        evidence=facts.evidence,
        digest=digest_of(facts),
    )


def failed_outcome(case: Case, method: str, beta: float, status: str, error: str, wall_time: float) -> Outcome:
    """Return what is kept of an episode without a verdict: nothing lifted, quantities NaN, names empty.

    Raises:
        ConfigError: If ``status`` is ``ok`` or unknown, or ``error`` is empty.
    """
    if status == OK or status not in STATUSES or not error:
        raise ConfigError(f"failed outcome: got status {status!r} and error {error!r}, expected a failure and its text")
    return Outcome(
        **_about(case, method, beta),
        status=status,
        error=error.encode("utf-8", "replace").decode(),  # a store holds no lone surrogates
        pregrasp=-1,
        attempts=0,
        steps=0,
        stop_reason="",
        lifted=False,
        nominal=False,
        nominal_12=False,
        survived=0,
        tests=0,
        outcomes="",
        lift_height=math.nan,
        peak_force=math.nan,
        peak_slip=math.nan,
        time_to_slip=math.nan,
        failure_mode="",
        abstained=False,
        p_fail=math.nan,
        epsilon_hat=math.nan,
        epsilon_true=math.nan,
        epsilon_series=(),
        p_fail_series=(),
        planning_series=(),
        wall_time=wall_time,
        evidence=(),
        digest="",
    )


def _about(case: Case, method: str, beta: float) -> dict[str, Any]:
    scenario = case.scenario
    return {
        "case": case.index,
        "method": method,
        "beta": float(beta),
        "object_name": scenario.object_name,
        "regime": case.regime,
        "split": case.split,
        "seed": int(scenario.seed),
        "friction_effective": scenario.friction_effective,
        "sweep": case.sweep,
        "level": float(case.level),
        "force_cap": float(load_object(scenario.object_name).force_cap),
    }


def _require_sound(case: Case, method: str, facts: TrialFacts) -> None:
    """Refuse what the statistics could not read later: one such row would take the report from all others."""
    for step in facts.steps:
        where = f"{method} on case {case.index}, step {step.step}"
        if len(step.action) != NUM_ACTUATED:
            raise ShapeError(f"{where}: got {len(step.action)} velocities, expected {NUM_ACTUATED}; look at the method")
        if not (math.isnan(step.p_fail) or 0.0 <= step.p_fail <= 1.0):
            raise ConfigError(
                f"{where}: got failure probability {step.p_fail!r}, expected 0 to 1, or NaN for none; see the method"
            )
    values = {f"action of step {step.step}": step.action for step in facts.steps}
    verdict = facts.verdict
    values["verdict"] = (verdict.lift_height, verdict.peak_force, verdict.peak_slip)
    for what, numbers in values.items():
        if not all(map(math.isfinite, numbers)):
            raise NonFiniteError(
                f"{method} on case {case.index}, {what}: got {numbers}, expected finite numbers; look at the method"
            )
