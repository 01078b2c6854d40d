"""The interface of planners: what they see at a step and what they decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from vnb_belief.layout import LATENT_DIM, OBSERVATION_DIM
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_planner.failure.promise import Promise
from vnb_planner.models import NUM_ACTUATED, NUM_FINGERS, HandModel, ObjectModel, Situation, require

NUM_JOINTS = 11
MAX_LIFT_SPEED = 0.05
"""Fastest probe [m/s]."""


@dataclass(frozen=True, eq=False)
class PlanInput:
    """What a planner may know at one decision step; nothing here is simulator truth.

    Attributes:
        belief: Belief over the latent, a single mixture (no batch), or None for planners that need none.
        observation: Observation vector ``(41,)``.
        T_hand_object: Latest estimate of the object pose ``(4, 4)``.
        force: Fingertip normal forces of the tactile proxy ``(5,)`` [N].
        contact: Contact flags ``(5,)``, bool.
        epsilon_hat: Tactile grasp quality (Ferrari-Canny of the sensed contacts).
        q_cmd: Servo targets of the actuated joints ``(6,)`` [rad].
        q: Measured joints ``(11,)`` [rad].
        step: Decision step, from 0.
        seed: Seed of the trial; with ``step`` it fixes every random draw.
        deadline: Time that the decision may take [s].
        promise: What the pre-grasp library promises for the pre-grasp that the fingers close from; None if unknown.

    Raises:
        NonFiniteError: If a value is NaN or infinite.
        ShapeError: If a shape is another one.
        ConfigError: If step or deadline is negative.
    """

    belief: Mixture | None
    observation: Tensor
    T_hand_object: Tensor
    force: Tensor
    contact: Tensor
    epsilon_hat: float
    q_cmd: Tensor
    q: Tensor
    step: int
    seed: int
    deadline: float = math.inf
    promise: Promise | None = None

    def __post_init__(self) -> None:
        require(self.observation, (OBSERVATION_DIM,), "observation")
        require(self.T_hand_object, (4, 4), "T_hand_object")
        require(self.force, (NUM_FINGERS,), "fingertip force")
        require(self.contact, (NUM_FINGERS,), "contact flags")
        require(self.q_cmd, (NUM_ACTUATED,), "servo targets")
        require(self.q, (NUM_JOINTS,), "joint positions")
        if not math.isfinite(self.epsilon_hat):
            raise NonFiniteError(f"epsilon_hat: got {self.epsilon_hat}, expected a finite number")
        if self.step < 0 or not self.deadline >= 0.0:
            raise ConfigError(f"step and deadline: got {self.step} and {self.deadline}, expected both >= 0")
        if self.belief is not None:
            self._check_belief(self.belief)

    @staticmethod
    def _check_belief(belief: Mixture) -> None:
        if belief.logits.ndim != 1 or belief.dim != LATENT_DIM:
            raise ShapeError(
                f"belief: got means of shape {tuple(belief.means.shape)}, expected (K, {LATENT_DIM}), one mixture"
            )
        # A mixture checks itself when made, but its tensors can be changed in place afterwards.
        for name, value in (("logits", belief.logits), ("means", belief.means), ("log_stds", belief.log_stds)):
            if not torch.isfinite(value).all():
                raise NonFiniteError(f"belief {name} contain NaN or infinity; look at the belief update")

    def situation(self) -> Situation:
        """Return the part that costs need."""
        return Situation(self.T_hand_object, self.q_cmd, self.q, self.force, self.contact.bool())


@dataclass(frozen=True, eq=False)
class Decision:
    """What to do now. Risk figures are NaN where a planner does not compute them.

    Attributes:
        action: Velocities of the servo targets ``(6,)`` [rad/s].
        effort_limit: Largest torque that the servos may use ``(6,)`` [N m].
        objective: Value of the planner's objective for the chosen action.
        cvar: Exact CVaR of the cost of the chosen action over the belief.
        expected_cost: Expected cost of the chosen action over the belief.
        p_fail: Probability that the grasp as it is, with the fingers holding, would fail; calibrated where there is a
            calibration, otherwise the belief's share of costs beyond the failure threshold.
        entropy: Entropy of the belief [nats].
        component: Mixture component for which the action was found; -1 if none.
        stop: Whether closing is finished.
        stop_reason: Why (``quality``, ``step_limit``, ...); empty if ``stop`` is False.
        planning_time: Time taken [s].
        deadline_met: False if the deadline cut the search short; the action is then the best found so far.
        evidence: Named figures that ``p_fail`` was computed from; empty if the planner keeps none.
        lift_speed: Vertical speed of the hand [m/s]: a probe lifts the object by millimetres while the fingers hold.
        friction: Mean and standard deviation of the log friction that ``p_fail`` was computed with, which is that of
            the belief and of touch; NaN if there was none.
    """

    action: Tensor
    effort_limit: Tensor
    objective: float = math.nan
    cvar: float = math.nan
    expected_cost: float = math.nan
    p_fail: float = math.nan
    entropy: float = math.nan
    component: int = -1
    stop: bool = False
    stop_reason: str = ""
    planning_time: float = 0.0
    deadline_met: bool = True
    evidence: Mapping[str, float] = field(default_factory=dict)
    lift_speed: float = 0.0
    friction: tuple[float, float] = (math.nan, math.nan)


def check_decision(decision: Decision, method: str, step: int) -> Decision:
    """Return ``decision`` if a hand can follow it; every loop that runs planners checks here, whoever wrote them.

    Raises:
        ConfigError: If it is no :class:`Decision`, or its failure probability or lift speed is out of range.
        ShapeError: If action or effort limit is not a tensor ``(6,)``.
        NonFiniteError: If action or effort limit holds NaN or infinity.
    """
    who = f"planner {method!r} at step {step}"
    if not isinstance(decision, Decision):
        raise ConfigError(f"{who}: got {type(decision).__name__}, expected a Decision")
    for name in ("action", "effort_limit"):
        value = getattr(decision, name)
        if not isinstance(value, Tensor) or tuple(value.shape) != (NUM_ACTUATED,):
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(f"{who}: got {name} {found}, expected a tensor of shape ({NUM_ACTUATED},)")
        if not torch.isfinite(value).all():
            raise NonFiniteError(f"{who}: got {name} {value.tolist()}, expected finite numbers")
    if not (math.isnan(decision.p_fail) or 0.0 <= decision.p_fail <= 1.0):
        raise ConfigError(f"{who}: got failure probability {decision.p_fail!r}, expected 0 to 1, or NaN for none")
    if not 0.0 <= decision.lift_speed <= MAX_LIFT_SPEED:
        raise ConfigError(f"{who}: got lift speed {decision.lift_speed}, expected 0 to {MAX_LIFT_SPEED} m/s")
    return decision


class Planner(Protocol):
    """Decides, step by step, how the fingers move."""

    def reset(self) -> None:
        """Forget the last trial."""
        ...

    def plan(self, given: PlanInput) -> Decision:
        """Return the decision of this step; the same input and history give the same action if the deadline holds."""
        ...


PlannerFactory = Callable[[HandModel, ObjectModel, Mapping[str, Any] | None], Planner]
"""Makes a planner from the hand, the object and a mapping of its parameters."""
