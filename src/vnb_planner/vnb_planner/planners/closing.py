"""When closing is over, and what it came to: the stop, the probe before it, the calibrated failure probability.

Closing ends when the grasp is good enough (tactile quality reached, holding fails with at most ``delta``, and it has
not improved for a few steps: the failure probability is calibrated on hands that have closed), when it gets no better
(the expected cost of holding has not improved for some steps: squeezing on only wears it out), or at the step limit.
With ``probe``, if the failure probability is beyond ``delta`` by then, a probe comes first: the hand rises by
millimetres while the fingers hold. Under the object's weight, low friction shows as motion in the hand; without
tangential load it cannot be seen at all, and a belief that has not seen it must stay broad.

Once closing is over, friction is read from touch where the pre-grasp's library entry tells how: how the object seated
and how the fingers share the load depends on friction, and differently for every pre-grasp. The grasp is judged with
the belief that follows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_belief.layout import OBS_POSE, OBS_TRACE
from vnb_belief.mixture import Mixture
from vnb_grasp.frames.se3 import exp_so3, log_so3
from vnb_planner.config import require_count, require_in
from vnb_planner.failure import TOUCH, FailureCalibration, collect_evidence
from vnb_planner.models import ObjectModel
from vnb_planner.planners.interface import MAX_LIFT_SPEED, PlanInput

GRIPPED = 2
"""Fingers that must touch before closing can be found not to get better."""


@dataclass(frozen=True)
class ClosingConfig:
    """Parameters of the end of closing.

    Attributes:
        delta: Largest acceptable failure probability.
        epsilon_des: Tactile quality at which closing stops, if the failure probability of holding is within ``delta``.
        max_steps: Step T_max at which closing stops in any case; a probe begins early enough to end by then.
        settle_steps: Steps without improvement after which closing stops.
        settle_improvement: Improvement of the expected cost of holding that counts.
        quality_steps: Steps without improvement after which quality ends closing.
        probe: Whether to probe when the failure probability is beyond ``delta``.
        probe_speed: Speed of the hand in a probe [m/s].
        probe_steps: Steps for which it rises.
        probe_rest: Steps for which it then waits.
    """

    delta: float = 0.2
    epsilon_des: float = 0.05
    max_steps: int = 80
    settle_steps: int = 10
    settle_improvement: float = 0.01
    quality_steps: int = 4
    probe: bool = False
    probe_speed: float = 0.015
    probe_steps: int = 5
    probe_rest: int = 4

    def __post_init__(self) -> None:
        require_in("delta", self.delta, 0.0, 1.0)
        require_in("epsilon_des", self.epsilon_des, 0.0, 1e6)
        require_in("settle_improvement", self.settle_improvement, 0.0, 1e6)
        require_in("probe_speed", self.probe_speed, 0.0, MAX_LIFT_SPEED)
        for name in ("max_steps", "settle_steps", "probe_steps"):
            require_count(name, getattr(self, name), 1)
        for name in ("probe_rest", "quality_steps"):
            require_count(name, getattr(self, name), 0)

    @property
    def probe_length(self) -> int:
        """Steps that a probe takes."""
        return self.probe_steps + self.probe_rest


@dataclass(frozen=True)
class HoldFigures:
    """Risk figures of standing still: share of samples beyond the threshold, mean and tail mean of the cost, draws."""

    p_fail: float
    expected_cost: float
    cvar: float
    draws: int


@dataclass(frozen=True)
class Conclusion:
    """What follows for the step.

    Attributes:
        p_fail: Failure probability of the grasp as it is, calibrated if there is a calibration.
        evidence: What it was computed from; empty if it is raw.
        hold: Whether the fingers hold, whatever was planned.
        lift_speed: Of the hand [m/s].
        stop_reason: Why closing is over; empty if it is not.
    """

    p_fail: float
    evidence: dict[str, float]
    hold: bool = False
    lift_speed: float = 0.0
    stop_reason: str = ""

    @property
    def friction(self) -> tuple[float, float]:
        """Mean and standard deviation of the log friction that it was judged with; NaN without evidence."""
        return self.evidence.get("friction", math.nan), self.evidence.get("friction_spread", math.nan)


class Closing:
    """Follows one closing, step by step.

    Args:
        target: The object.
        config: Parameters.
        calibration: Of the failure probability; None leaves it raw.
    """

    def __init__(self, target: ObjectModel, config: ClosingConfig, calibration: FailureCalibration | None) -> None:
        self.target = target
        self.config = config
        self.calibration = calibration
        self.reset()

    def reset(self) -> None:
        """Forget the last closing."""
        self._step = -1
        self._first_pose: Tensor | None = None
        self._best = math.inf
        self._since_best = 0
        self._probed = 0
        self._why = ""

    def conclude(self, given: PlanInput, hold: HoldFigures) -> Conclusion:
        """Return what follows from the figures of standing still; a step that is not later begins a new closing."""
        if given.step <= self._step:
            self.reset()
        self._step = given.step
        pose = given.observation[OBS_POSE].double()
        self._first_pose = pose if self._first_pose is None else self._first_pose
        motion = _motion(self._first_pose, pose)
        p_fail, evidence = self._predict(given, hold, motion, over=bool(self._probed))
        if self._probed:
            return self._go_on_probing(p_fail, evidence)
        reason = self._reason(given, hold, p_fail)
        if reason:
            p_fail, evidence = self._predict(given, hold, motion, over=True)
        doubtful = self.config.probe and p_fail > self.config.delta and bool(given.contact.any())
        if reason and doubtful and given.step + self.config.probe_length <= self.config.max_steps:
            self._why = reason
            return self._go_on_probing(p_fail, evidence)
        return Conclusion(p_fail, evidence, hold=bool(reason), stop_reason=reason)

    def _go_on_probing(self, p_fail: float, evidence: dict[str, float]) -> Conclusion:
        done = self._probed
        self._probed += 1
        if done >= self.config.probe_length:
            return Conclusion(p_fail, evidence, hold=True, stop_reason=self._why)
        speed = self.config.probe_speed if done < self.config.probe_steps else 0.0
        return Conclusion(p_fail, evidence, hold=True, lift_speed=speed)

    def _reason(self, given: PlanInput, hold: HoldFigures, p_fail: float) -> str:
        """Return why closing is over, or an empty string."""
        config = self.config
        if hold.expected_cost < self._best - config.settle_improvement:
            self._best, self._since_best = hold.expected_cost, 0
        elif int(given.contact.sum()) >= GRIPPED:
            self._since_best += 1
        good = given.epsilon_hat >= config.epsilon_des and p_fail <= config.delta
        if good and self._since_best >= config.quality_steps:
            return "quality"
        room = config.probe_length if config.probe and p_fail > config.delta else 0
        if given.step >= config.max_steps - room:
            return "step_limit"
        return "settled" if self._since_best >= config.settle_steps else ""

    def _predict(
        self, given: PlanInput, hold: HoldFigures, motion: Tensor, *, over: bool
    ) -> tuple[float, dict[str, float]]:
        """Return failure probability and evidence; friction is read from touch only once closing is ``over``."""
        belief, promise = given.belief, given.promise
        if belief is None or promise is None:
            return hold.p_fail, {}

        def collect(belief: Mixture) -> dict[str, float]:
            return collect_evidence(
                target=self.target,
                belief=belief,
                force=given.force,
                contact=given.contact,
                epsilon_hat=given.epsilon_hat,
                motion=motion,
                p_fail=hold.p_fail,
                expected_cost=hold.expected_cost,
                cvar=hold.cvar,
                draws=hold.draws,
                promise=promise,
                trace=float(given.observation[OBS_TRACE]),
            )

        evidence = collect(belief)
        if over and promise.touch is not None:
            evidence = collect(promise.touch.update(belief, tuple(evidence[name] for name in TOUCH)))
        if self.calibration is None:
            return hold.p_fail, evidence
        return self.calibration.probability(evidence, self.target.name), evidence


def _motion(first: Tensor, now: Tensor) -> Tensor:
    """Return the twist (6,) from one observed pose to another: translation [m], rotation vector [rad]."""
    turn = log_so3(exp_so3(now[3:]) @ exp_so3(first[3:]).mT)
    return torch.cat((now[:3] - first[:3], turn))
