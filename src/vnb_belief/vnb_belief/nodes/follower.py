"""Follows grasps with a belief, message by message: for the belief's node, and to compute a recording again."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import torch
from builtin_interfaces.msg import Time
from vnb_msgs.msg import Belief as BeliefMessage
from vnb_msgs.msg import HandCommand, Observation

from vnb_belief import layout
from vnb_belief.beliefs import Belief
from vnb_belief.mixture import Mixture
from vnb_belief.nodes.messages import observation_from_message
from vnb_grasp.description import HandDescription
from vnb_grasp.errors import SimulationError
from vnb_grasp.nodes.conversions import header, in_order


class BeliefFollower:
    """Joins observations with the commands that led to them. Step 0 starts a grasp; its observation names the object.

    Args:
        hand: Hand description.
        make_belief: Makes the belief for an object's name, which is empty until the first observation.
        lockstep: True: wait for the command that led to an observation; False: none means hold.

    Raises:
        VnbError: If the belief cannot be made.
    """

    def __init__(self, hand: HandDescription, make_belief: Callable[[str], Belief], lockstep: bool = True) -> None:
        self._hand = hand
        self._make_belief = make_belief
        self._lockstep = lockstep
        self._object_name = ""  # the first observation of a grasp tells
        self._belief = make_belief(self._object_name)
        self._last: tuple[int, Time] | None = None  # step and stamp of the last observation that was followed
        self._command: HandCommand | None = None
        self._waiting: Observation | None = None

    def take_command(self, message: HandCommand) -> Observation | None:
        """Take a command; return the observation that waited for it, which can be followed now."""
        self._command = message
        waiting = self._waiting
        if waiting is None or not self._answered():
            return None
        self._waiting = None
        return waiting

    def take_observation(self, message: Observation) -> Observation | None:
        """Take an observation; return it if it can be followed now, None if its command is still on the way."""
        self._waiting = None
        if self._lockstep and self._continues(message) and not self._answered():
            self._waiting = message
            return None
        return message

    def follow(self, message: Observation) -> tuple[Mixture, float]:
        """Return the belief after an observation and its entropy [nats].

        Raises:
            VnbError: If the observation cannot be used, or one before it is missing.
        """
        observation = observation_from_message(message, self._hand.joint_names)
        if message.step == 0:
            if message.object_name != self._object_name:
                self._belief = self._make_belief(message.object_name)
                self._object_name = message.object_name
            mixture = self._belief.reset(observation.vector, observation.T_hand_object)
        elif self._continues(message) or self._skips(message):
            mixture = self._belief.update(self._action(), observation.vector)
        else:
            last = "none" if self._last is None else self._last[0]
            raise SimulationError(
                f"observation of step {message.step} after step {last}: one is missing; begin the grasp again"
            )
        self._last = (message.step, message.header.stamp)
        return mixture, float(self._belief.entropy(_generator(message.step)))

    def _continues(self, message: Observation) -> bool:
        """Return whether an observation is the one after the last."""
        return self._last is not None and message.step == self._last[0] + 1

    def _skips(self, message: Observation) -> bool:
        """Return whether observations were lost, as on a busy machine with the wall clock; never in lockstep."""
        return not self._lockstep and self._last is not None and message.step > self._last[0]

    def _answered(self) -> bool:
        """Return whether the latest command is the one that answers the last observation."""
        command = self._command
        return command is not None and self._last == (command.step, command.header.stamp)

    def _action(self) -> torch.Tensor:
        """Return the velocities (6,) [rad/s] that answered the last observation; no command in time means hold."""
        command = self._command if self._answered() else None
        if command is None or command.mode != HandCommand.VELOCITY:
            return torch.zeros(layout.ACTION_DIM, dtype=torch.float64)
        names = [joint.name for joint in self._hand.actuated]
        return torch.from_numpy(in_order(names, command.joint_names, command.velocity, "hand command, velocities"))


def answer_to(message: Observation, kind: str) -> BeliefMessage:
    """Return the belief message that answers an observation, without its belief yet."""
    return BeliefMessage(
        header=header(message.header.stamp, "hand_base"),
        step=message.step,
        kind=kind,
        object_name=message.object_name,
        reference_pose_hand=message.object_pose_hand,
        entropy=float("nan"),
    )


def _generator(step: int) -> torch.Generator:
    key = np.random.SeedSequence([zlib.crc32(b"belief entropy"), step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) & (2**63 - 1))
