"""The control chain of one decision step: touch -> observation -> belief -> planner. No simulator truth enters here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vnb_belief.beliefs import BELIEFS, Belief, BeliefContext
from vnb_belief.mixture import Mixture
from vnb_belief.observation import ObservationStep, make_observation
from vnb_grasp.description import HandDescription, ObjectDescription
from vnb_grasp.errors import VnbError
from vnb_perception.tactile_quality import GraspQualityEstimate, TactileQuality
from vnb_planner.failure import Promise
from vnb_planner.planners import Decision, PlanInput, PlannerFactory, check_decision
from vnb_planner.planners.factory import make_planner
from vnb_sim_bridge.sensors.frame import SensorFrame


@dataclass(frozen=True, eq=False)
class ControlStep:
    """Everything that one step computed."""

    quality: GraspQualityEstimate
    observation: ObservationStep
    belief: Mixture
    decision: Decision


class ControlChain:
    """Runs the chain for one grasp at a time.

    Args:
        hand: Hand description.
        obj: Object description.
        method: Planner name, or a factory for a planner that is not registered.
        belief: Belief name.
        checkpoint: Checkpoint of the belief; None takes the shipped one.
        parameters: Planner parameters.
        deadline: Time that one decision may take [s].
    """

    def __init__(
        self,
        hand: HandDescription,
        obj: ObjectDescription,
        method: str | PlannerFactory,
        belief: str = "learned",
        checkpoint: Path | None = None,
        parameters: Mapping[str, Any] | None = None,
        deadline: float = math.inf,
    ) -> None:
        self.quality = TactileQuality(hand)
        self.belief: Belief = BELIEFS[belief](BeliefContext(hand, obj, checkpoint))
        self.planner = make_planner(method, hand, obj, parameters)
        self.name = method if isinstance(method, str) else getattr(method, "__qualname__", repr(method))
        self.deadline = deadline
        self._action: Tensor | None = None
        self._promise: Promise | None = None

    def reset(self, promise: Promise | None = None) -> None:
        """Forget the last grasp; ``promise`` is what the library promises for the pre-grasp of the next one."""
        self.planner.reset()
        self.quality.reset()
        self._action = None
        self._promise = promise

    def step(self, frame: SensorFrame, seed: int) -> ControlStep:
        """Return the decision for the readings of one step; the first one after a reset starts the belief.

        Raises:
            VnbError: If a part fails, the planner raises anything, or its decision is none that a hand can follow.
        """
        q = torch.from_numpy(frame.hand_q)
        quality = self.quality.estimate(torch.from_numpy(frame.tactile), q)
        observation = make_observation(
            T_world_hand=torch.from_numpy(frame.T_world_hand),
            T_world_object=torch.from_numpy(frame.T_world_object),
            pose_covariance=torch.from_numpy(frame.pose_covariance),
            force=quality.force,
            contact=quality.contact,
            joint_position=q,
            joint_velocity=torch.from_numpy(frame.hand_qd),
            occlusion=frame.occlusion,
            segmentation=frame.segmentation,
        )
        if self._action is None:
            belief = self.belief.reset(observation.vector, observation.T_hand_object)
        else:
            belief = self.belief.update(self._action, observation.vector)
        decision = self._plan(
            PlanInput(
                belief=belief,
                observation=observation.vector,
                T_hand_object=observation.T_hand_object,
                force=quality.force,
                contact=quality.contact,
                epsilon_hat=quality.epsilon_hat,
                q_cmd=torch.from_numpy(frame.hand_target),
                q=q,
                step=frame.step,
                seed=seed,
                deadline=self.deadline,
                promise=self._promise,
            )
        )
        self._action = decision.action.double()
        return ControlStep(quality, observation, belief, decision)

    def _plan(self, given: PlanInput) -> Decision:
        """Return the planner's decision, checked; planners may be anybody's, so whatever they raise is named here."""
        try:
            decision = self.planner.plan(given)
        except VnbError:
            raise
        except Exception as error:
            raise VnbError(
                f"planner {self.name!r} at step {given.step} raised {type(error).__name__}: {error}; look at its plan()"
            ) from error
        return check_decision(decision, self.name, given.step)
