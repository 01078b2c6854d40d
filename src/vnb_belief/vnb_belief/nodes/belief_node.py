"""Follows a grasp with a belief over the latent state."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vnb_msgs.msg import Belief, HandCommand, Observation

from vnb_belief import beliefs
from vnb_belief.beliefs import BELIEFS, BeliefContext
from vnb_belief.nodes.follower import BeliefFollower, answer_to
from vnb_belief.nodes.messages import fill_belief
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
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
        self._follower = BeliefFollower(self._hand, self._make_belief, self.config.lockstep)
        self._out = self.create_publisher(Belief, "belief", qos.CHAIN)
        self.create_subscription(Observation, "observation", self._on_observation, qos.CHAIN)
        self.create_subscription(HandCommand, "hand/command", self._on_command, qos.COMMAND)

    def _make_belief(self, object_name: str) -> beliefs.Belief:
        config = self.config
        obj = load_object(object_name) if object_name else None
        checkpoint = Path(config.checkpoint) if config.checkpoint else None
        return BELIEFS[config.belief](BeliefContext(self._hand, obj, checkpoint, config.seed))

    def _on_command(self, message: HandCommand) -> None:
        self._answer(self._follower.take_command(message))

    def _on_observation(self, message: Observation) -> None:
        self._answer(self._follower.take_observation(message))

    def _answer(self, message: Observation | None) -> None:
        if message is None:
            return
        answer = answer_to(message, self.config.belief)

        def fail(code: int, text: str) -> None:
            answer.error_code, answer.error_message = code, text

        with self.border(fail):
            fill_belief(answer, *self._follower.follow(message))
        self._out.publish(answer)


def main() -> int:
    """Run the node."""
    return run_node(BeliefNode)


if __name__ == "__main__":
    sys.exit(main())
