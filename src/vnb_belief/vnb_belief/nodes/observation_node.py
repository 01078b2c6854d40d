"""Publishes what the belief sees at each decision step."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sensor_msgs.msg import JointState
from vnb_msgs.msg import GraspQuality, ObjectPose, Observation

from vnb_belief.nodes.messages import UNKNOWN, observation_to_message
from vnb_belief.observation import ObservationStep, make_observation
from vnb_grasp.description import load_arm, load_hand
from vnb_grasp.errors import ConfigError
from vnb_grasp.kinematics.arm_kinematics import ArmKinematics
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import in_order, pose_from_message
from vnb_grasp.nodes.join import StampJoin
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node


@dataclass(frozen=True)
class ObservationConfig:
    """Parameters of the node."""

    hand: str = parameter("l6_v31", "hand variant")
    arm: str = parameter("fr3", "arm")


class ObservationNode(VnbNode):
    """``object_pose``, ``grasp_quality``, ``hand/joint_states`` and ``arm/joint_states`` in, ``observation`` out.

    Readings that give no observation are answered with NaN, which the belief refuses.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("observation", **options)
        config = declare(self, ObservationConfig)
        self._hand = load_hand(config.hand)
        self._arm = load_arm(config.arm)
        self._kinematics = ArmKinematics(self._arm)
        self._out = self.create_publisher(Observation, "observation", qos.CHAIN)
        join = StampJoin(("pose", "quality", "hand", "arm"), self._observe)
        self.create_subscription(ObjectPose, "object_pose", join.receiver("pose"), qos.CHAIN)
        self.create_subscription(GraspQuality, "grasp_quality", join.receiver("quality"), qos.CHAIN)
        self.create_subscription(JointState, "hand/joint_states", join.receiver("hand"), qos.CHAIN)
        self.create_subscription(JointState, "arm/joint_states", join.receiver("arm"), qos.CHAIN)

    def _observe(self, parts: dict[str, Any]) -> None:
        pose = parts["pose"]
        observation, covariance = UNKNOWN, [float("nan")] * 36
        with self.border():
            T_world_hand = self._hand_pose(parts["arm"])
            observation = self._make(parts, T_world_hand)
            covariance = _rotate(np.array(pose.pose.covariance), T_world_hand[:3, :3].numpy())
        message = observation_to_message(observation, covariance, pose.header.stamp, pose.step, self._hand.joint_names)
        message.object_name = pose.object_name
        self._out.publish(message)

    def _hand_pose(self, arm: JointState) -> torch.Tensor:
        q = in_order(self._arm.joint_names, arm.name, arm.position, "arm joints")
        return self._kinematics.world_hand(torch.from_numpy(q))

    def _make(self, parts: dict[str, Any], T_world_hand: torch.Tensor) -> ObservationStep:
        pose, quality, hand = parts["pose"], parts["quality"], parts["hand"]
        if pose.header.frame_id != "world":
            raise ConfigError(f"object pose of step {pose.step}: got frame {pose.header.frame_id!r}, expected world")
        names = self._hand.joint_names
        return make_observation(
            T_world_hand=T_world_hand,
            T_world_object=pose_from_message(pose.pose.pose).matrix(),
            pose_covariance=torch.from_numpy(np.array(pose.pose.covariance).reshape(6, 6)),
            force=torch.tensor(quality.force, dtype=torch.float64),
            contact=torch.tensor(quality.contact, dtype=torch.bool),
            joint_position=torch.from_numpy(in_order(names, hand.name, hand.position, "hand joints")),
            joint_velocity=torch.from_numpy(in_order(names, hand.name, hand.velocity, "hand joint velocities")),
            occlusion=pose.occlusion,
            segmentation=pose.segmentation_confidence,
        )


def _rotate(covariance: np.ndarray, rotation: np.ndarray) -> list[float]:
    """Return a world-axes covariance (36,) in the axes of the hand."""
    turn = np.kron(np.eye(2), rotation.T)
    return (turn @ covariance.reshape(6, 6) @ turn.T).flatten().tolist()


def main() -> int:
    """Run the node."""
    return run_node(ObservationNode)


if __name__ == "__main__":
    sys.exit(main())
