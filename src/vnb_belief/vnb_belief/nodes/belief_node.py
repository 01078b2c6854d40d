"""Follows a grasp with a belief over the latent state."""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from builtin_interfaces.msg import Time
from vnb_msgs.msg import Belief, HandCommand, Observation

from vnb_belief import beliefs, layout
from vnb_belief.beliefs import BELIEFS, BeliefContext
from vnb_belief.mixture import Mixture
from vnb_belief.nodes.messages import fill_belief, observation_from_message
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.errors import SimulationError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import header, in_order
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node


@dataclass(frozen=True)
class BeliefConfig:
    """Parameters of the node."""

    belief: str = parameter("learned", "registered name of the belief")
    checkpoint: str = parameter("", "path of the belief's checkpoint; empty takes the shipped one")
    hand: str = parameter("l6_v31", "hand variant")
    seed: int = parameter(0, "seed of beliefs that draw")
    lockstep: bool = parameter(True, "true: wait for the command that led to an observation; false: none means hold")


class BeliefNode(VnbNode):
    """``observation`` and ``hand/command`` in, ``belief`` out. Step 0 starts a grasp; its observation names the object.

    Raises:
        UnknownNameError: If the belief or the hand is not known.
        CheckpointError: If the checkpoint cannot be used.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("belief", **options)
        self.config = declare(self, BeliefConfig)
        self._hand = load_hand(self.config.hand)
        self._object_name = ""  # the first observation of a grasp tells
        self._belief = self._make_belief(self._object_name)
        self._last: tuple[int, Time] | None = None  # step and stamp of the last observation that was followed
        self._command: HandCommand | None = None
        self._waiting: Observation | None = None
        self._out = self.create_publisher(Belief, "belief", qos.CHAIN)
        self.create_subscription(Observation, "observation", self._on_observation, qos.CHAIN)
        self.create_subscription(HandCommand, "hand/command", self._on_command, qos.COMMAND)

    def _make_belief(self, object_name: str) -> beliefs.Belief:
        config = self.config
        obj = load_object(object_name) if object_name else None
        checkpoint = Path(config.checkpoint) if config.checkpoint else None
        return BELIEFS[config.belief](BeliefContext(self._hand, obj, checkpoint, config.seed))

    def _on_command(self, message: HandCommand) -> None:
        self._command = message
        waiting = self._waiting
        if waiting is not None and self._answered():
            self._waiting = None
            self._follow(waiting)

    def _on_observation(self, message: Observation) -> None:
        self._waiting = None
        if self.config.lockstep and self._continues(message) and not self._answered():
            self._waiting = message  # its command is still on the way
            return
        self._follow(message)

    def _continues(self, message: Observation) -> bool:
        """Return whether an observation is the one after the last."""
        return self._last is not None and message.step == self._last[0] + 1

    def _skips(self, message: Observation) -> bool:
        """Return whether observations were lost, as on a busy machine with the wall clock; never in lockstep."""
        return not self.config.lockstep and self._last is not None and message.step > self._last[0]

    def _answered(self) -> bool:
        """Return whether the latest command is the one that answers the last observation."""
        command = self._command
        return command is not None and self._last == (command.step, command.header.stamp)

    def _follow(self, message: Observation) -> None:
        answer = Belief(
            header=header(message.header.stamp, "hand_base"),
            step=message.step,
            kind=self.config.belief,
            object_name=message.object_name,
            reference_pose_hand=message.object_pose_hand,
            entropy=float("nan"),
        )

        def fail(code: int, text: str) -> None:
            answer.error_code, answer.error_message = code, text

        with self.border(fail):
            mixture = self._update(message)
            fill_belief(answer, mixture, float(self._belief.entropy(_generator(message.step))))
        self._out.publish(answer)

    def _update(self, message: Observation) -> Mixture:
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
        return mixture

    def _action(self) -> torch.Tensor:
        """Return the velocities (6,) [rad/s] that answered the last observation; no command in time means hold."""
        command = self._command if self._answered() else None
        if command is None or command.mode != HandCommand.VELOCITY:
            return torch.zeros(layout.ACTION_DIM, dtype=torch.float64)
        names = [joint.name for joint in self._hand.actuated]
        return torch.from_numpy(in_order(names, command.joint_names, command.velocity, "hand command, velocities"))


def _generator(step: int) -> torch.Generator:
    key = np.random.SeedSequence([zlib.crc32(b"belief entropy"), step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) & (2**63 - 1))


def main() -> int:
    """Run the node."""
    return run_node(BeliefNode)


if __name__ == "__main__":
    sys.exit(main())
