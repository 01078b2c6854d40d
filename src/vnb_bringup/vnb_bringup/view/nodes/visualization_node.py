"""Publishes what is worth seeing of the graph as standard messages, for rviz2 and other viewers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.clock import Clock, ClockType
from visualization_msgs.msg import MarkerArray

from vnb_bringup.view.live import Watcher
from vnb_bringup.view.nodes.markers import LAYERS, MarkerBuilder, estimate_message, lost_estimate_message
from vnb_bringup.view.scene import SceneBuilder
from vnb_grasp.description import load_arm, load_hand
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import stamp_from_seconds
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node


@dataclass(frozen=True)
class VisualizationNodeConfig:
    """Parameters of the node."""

    hand: str = parameter("l6_v31", "hand variant")
    arm: str = parameter("fr3", "arm")
    rate: float = parameter(10.0, "most pictures per second of wall-clock time", 0.1, 100.0)


class VisualizationNode(VnbNode):
    """The graph's topics in, ``visualization/...`` out: arrays of markers, and the pose estimate with its covariance.

    It publishes when something has changed, at most at its rate and never in a callback of the loop's topics, so that
    drawing never delays a decision. The topics are latched: a viewer that comes later sees the latest picture.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("visualization", **options)
        config = declare(self, VisualizationNodeConfig)
        arm, hand = load_arm(config.arm), load_hand(config.hand)
        self._scenes, self._markers = SceneBuilder(arm, hand), MarkerBuilder()
        self._outs = {name: self.create_publisher(MarkerArray, f"visualization/{name}", qos.LATCHED) for name in LAYERS}
        self._pose_out = self.create_publisher(PoseWithCovarianceStamped, "visualization/pose", qos.LATCHED)
        self._count = 0
        self._pose_known = False
        self._watcher = Watcher(self, arm, hand)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self.create_timer(1.0 / config.rate, self._draw, clock=steady)

    def _draw(self) -> None:
        count, snapshot = self._watcher.latest()
        if count == self._count:
            return
        self._count = count
        with self.border():
            stamp = stamp_from_seconds(snapshot.time)
            scene = self._scenes.build(snapshot)
            for name, markers in self._markers.build(scene, snapshot, stamp).items():
                self._outs[name].publish(markers)
            pose = estimate_message(snapshot, stamp)
            if pose is not None or self._pose_known:  # the topic is latched: the last pose would stay for ever
                self._pose_out.publish(pose or lost_estimate_message(stamp))
            self._pose_known = pose is not None


def main() -> int:
    """Run the node."""
    return run_node(VisualizationNode)


if __name__ == "__main__":
    sys.exit(main())
