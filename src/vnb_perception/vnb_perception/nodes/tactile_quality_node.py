"""Publishes forces, contacts and grasp quality from touch."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import JointState
from vnb_msgs.msg import GraspQuality, TactileArray

from vnb_grasp.description import FINGERS, load_hand
from vnb_grasp.errors import ConfigError, ShapeError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import header, in_order
from vnb_grasp.nodes.join import StampJoin
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_perception.tactile_quality import GraspQualityEstimate, TactileQuality, TactileQualityConfig


@dataclass(frozen=True)
class TactileQualityNodeConfig:
    """Parameters of the node."""

    hand: str = parameter("l6_v31", "hand variant")
    estimate: TactileQualityConfig = field(default_factory=TactileQualityConfig)


class TactileQualityNode(VnbNode):
    """``hand/tactile`` and ``hand/joint_states`` in, ``grasp_quality`` out.

    Readings that give no estimate are answered with NaN, so that whoever acts on it refuses them too.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("tactile_quality", **options)
        config = declare(self, TactileQualityNodeConfig)
        self._hand = load_hand(config.hand)
        self._quality = TactileQuality(self._hand, config.estimate)
        self._out = self.create_publisher(GraspQuality, "grasp_quality", qos.CHAIN)
        join = StampJoin(("tactile", "joints"), self._estimate)
        self.create_subscription(TactileArray, "hand/tactile", join.receiver("tactile"), qos.CHAIN)
        self.create_subscription(JointState, "hand/joint_states", join.receiver("joints"), qos.CHAIN)

    def _estimate(self, parts: dict[str, Any]) -> None:
        tactile, joints = parts["tactile"], parts["joints"]
        message = GraspQuality(
            header=header(tactile.header.stamp, "hand_base"), step=tactile.step, fingers=list(FINGERS)
        )
        with self.border(lambda code, text: _fill_unknown(message)):
            if tactile.step == 0:
                self._quality.reset()
            q = in_order(self._hand.joint_names, joints.name, joints.position, "hand joints")
            _fill(message, self._quality.estimate(taxels_from_message(tactile), torch.from_numpy(q)))
        self._out.publish(message)


def taxels_from_message(message: TactileArray) -> torch.Tensor:
    """Return the bytes of the five pads (5, rows, columns).

    Raises:
        ConfigError: If a finger's pad is missing.
        ShapeError: If the number of values is not that of the pad.
    """
    pads = {pad.finger: pad for pad in message.pads}
    missing = [finger for finger in FINGERS if finger not in pads]
    if missing:
        raise ConfigError(
            f"tactile array of step {message.step}: no pad of {', '.join(missing)}; look at the hand driver"
        )
    arrays = []
    for finger in FINGERS:
        pad = pads[finger]
        values = np.frombuffer(pad.taxels, dtype=np.uint8)
        if values.size != pad.rows * pad.columns:
            raise ShapeError(f"pad of {finger}: got {values.size} values, expected {pad.rows} x {pad.columns}")
        arrays.append(values.reshape(pad.rows, pad.columns))
    return torch.from_numpy(np.stack(arrays))


def _fill(message: GraspQuality, estimate: GraspQualityEstimate) -> None:
    message.force = estimate.force.tolist()
    message.contact = estimate.contact.tolist()
    message.contact_points = [Point(x=x, y=y, z=z) for x, y, z in estimate.points.tolist()]
    message.contact_normals = [
        Vector3(x=x, y=y, z=z) for x, y, z in (estimate.normals * estimate.contact[:, None]).tolist()
    ]
    message.epsilon_hat = estimate.epsilon_hat


def _fill_unknown(message: GraspQuality) -> None:
    message.force = [float("nan")] * len(FINGERS)
    message.contact = [False] * len(FINGERS)
    message.contact_points = [Point()] * len(FINGERS)
    message.contact_normals = [Vector3()] * len(FINGERS)
    message.epsilon_hat = float("nan")


def main() -> int:
    """Run the node."""
    return run_node(TactileQualityNode)


if __name__ == "__main__":
    sys.exit(main())
