"""The record of a trial that ran without middleware."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from vnb_belief.beliefs import DEFAULT_CHECKPOINT
from vnb_belief.layout import LAYOUT_VERSION
from vnb_benchmark.episode import Episode, Step
from vnb_bringup.report.record import VERSION, StepRecord, TrialRecord, Verdict, battery_records, floats, matrix
from vnb_planner.attempts import AttemptRule
from vnb_sim_bridge.bridge import StressReport
from vnb_sim_bridge.conditions import Conditions


def record_of_episode(
    episode: Episode,
    *,
    method: str,
    belief: str,
    beta: float,
    checkpoint: Path | None = None,
    durations: Mapping[str, float] | None = None,
    conditions: Conditions | None = None,
    rule: AttemptRule | None = None,
) -> TrialRecord:
    """Return the record of a finished episode; the arguments are those that it ran with."""
    return TrialRecord(
        scenario=episode.scenario,
        method=method,
        belief=belief,
        beta=beta,
        hand=episode.scenario.hand,
        pregrasp=episode.pregrasp,
        steps=tuple(step_record(step) for step in episode.steps),
        stop_reason=episode.stop_reason,
        verdict=verdict_of_report(episode.report),
        checkpoint=checkpoint_hash(belief, checkpoint),
        versions=versions(),
        durations=dict(durations or {}),
        attempts=episode.attempts,
        abstained=episode.abstained,
        conditions=conditions or Conditions(),
        rule=rule or AttemptRule(),
    )


def step_record(step: Step) -> StepRecord:
    """Return the record of one decision step."""
    control, truth = step.control, step.truth
    decision, belief, quality = control.decision, control.belief, control.quality
    estimate = control.observation.pose
    return StepRecord(
        step=truth.step,
        time=round(truth.time, 9),  # stamps are whole nanoseconds
        phase="done" if decision.stop else "closing",
        logits=floats(belief.logits.double().tolist()),
        means=matrix(belief.means.double().tolist()),
        log_stds=matrix(belief.log_stds.double().tolist()),
        entropy=decision.entropy,
        cvar=decision.cvar,
        expected_cost=decision.expected_cost,
        p_fail=decision.p_fail,
        objective=decision.objective,
        epsilon_hat=float(quality.epsilon_hat),
        epsilon_true=truth.epsilon,
        force_sensed=floats(quality.force.tolist()),
        force_true=floats(truth.finger_force),
        contact=tuple(bool(flag) for flag in quality.contact),
        action=floats(decision.action.double().tolist()),
        component=decision.component,
        object_position=floats(truth.T_world_object[:3, 3]),
        planning_time=decision.planning_time,
        deadline_met=decision.deadline_met,
        object_quaternion=floats(truth.object_quaternion),
        object_estimate=floats([*estimate.position.tolist(), *estimate.quaternion.tolist()]),
        hand_joints=floats(step.frame.hand_q),
        arm_joints=floats(step.frame.arm_q),
        taxels=tuple(tuple(pad.flatten().tolist()) for pad in step.frame.tactile),
        friction=decision.friction,
    )


def verdict_of_report(report: StressReport) -> Verdict:
    """Return the bridge's report as plain data."""
    return Verdict(
        lifted=bool(report.lifted),
        lift_height=float(report.lift_height),
        nominal=bool(report.nominal),
        nominal_12=bool(report.nominal_12),
        survival=float(report.survival),
        tests=battery_records(report.tests),
        peak_force=float(report.peak_force),
        peak_slip=float(report.peak_slip),
        time_to_slip=float(report.time_to_slip),
        failure_mode=report.failure_mode,
    )


def checkpoint_hash(belief: str, checkpoint: Path | None = None) -> str:
    """Return the SHA-256 of the checkpoint that ``belief`` loads; empty if it needs none."""
    if belief != "learned":
        return ""
    return hashlib.sha256((checkpoint or DEFAULT_CHECKPOINT).read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions that decide a trial's numbers."""
    import mujoco
    import numpy as np
    import torch

    return {
        "latent_layout": str(LAYOUT_VERSION),
        "mujoco": mujoco.__version__,
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "vnb": VERSION,
    }
