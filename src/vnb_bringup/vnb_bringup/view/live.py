"""What a running graph shows, now; it may end and begin again, also in another ROS domain."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState, PointCloud2
from vnb_msgs.msg import Belief, GraspQuality, GroundTruth, ObjectPose, PlannerStatus, TactileArray

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import claimed_domains, given_domain
from vnb_bringup.view.assemble import Assembler
from vnb_bringup.view.clouds import CLOUD_TOPICS
from vnb_bringup.view.snapshot import Snapshot
from vnb_grasp.description import ArmDescription, HandDescription
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning

KINDS: dict[str, Any] = {
    "arm/joint_states": JointState,
    "hand/joint_states": JointState,
    "hand/tactile": TactileArray,
    "object_pose": ObjectPose,
    "grasp_quality": GraspQuality,
    "belief": Belief,
    "planner/status": PlannerStatus,
    "ground_truth": GroundTruth,
    "trial/verdict": DiagnosticStatus,
}
"""Message class of each topic of :data:`vnb_bringup.view.assemble.TOPICS`."""

QOS = {"trial/verdict": qos.LATCHED}
"""Quality of service of the topics that have another one than the links of the decision loop."""

_WATCH = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
"""A page that is busy for seconds still hears every step."""

_KEPT = 2000

_LATEST_CLOUD = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Fits every publisher, and keeps no queue of what is out of date."""


class Watcher:
    """Subscriptions of a node that keep a snapshot up to date.

    Args:
        node: Whose border takes the errors of messages that cannot be read.
        arm: The arm.
        hand: The hand on it.
        clouds: Watch the cameras' clouds too; they are computed only where somebody does.
        keep: Moments to keep until they are asked for, at most.
    """

    def __init__(
        self, node: VnbNode, arm: ArmDescription, hand: HandDescription, *, clouds: bool = False, keep: int = 0
    ) -> None:
        self._node = node
        self._assembler = Assembler(arm.joint_names, hand.joint_names)
        self._lock = threading.Lock()
        self._count = 0
        self._passed: deque[Snapshot] = deque(maxlen=keep)
        group = MutuallyExclusiveCallbackGroup()
        for topic, kind in KINDS.items():
            profile = QOS.get(topic, _WATCH)
            node.create_subscription(kind, topic, partial(self._take, topic), profile, callback_group=group)
        for topic in CLOUD_TOPICS if clouds else ():
            node.create_subscription(
                PointCloud2, topic, partial(self._take, topic), _LATEST_CLOUD, callback_group=group
            )

    def _take(self, topic: str, message: Any) -> None:
        with self._node.border(), self._lock:
            self._count += 1
            before = self._assembler.snapshot
            if self._assembler.take(topic, message).time != before.time:
                self._passed.append(before)

    def latest(self) -> tuple[int, Snapshot]:
        """Return the number of messages so far and the snapshot after them."""
        with self._lock:
            return self._count, self._assembler.snapshot

    def passed(self) -> list[Snapshot]:
        """Return the moments that are over, in order, each once; the oldest are left out if too many were kept."""
        with self._lock:
            moments = list(self._passed)
            self._passed.clear()
            return moments


class LiveSource:
    """Watches the graph that runs, whichever domain it has; a context manager.

    The domain is ``ROS_DOMAIN_ID`` where it is set; otherwise that of the graph that began last on this machine, and
    without one ROS's own default, 0.

    Args:
        arm: The arm.
        hand: The hand on it.
        namespace: Namespace of the graph.
    """

    def __init__(self, arm: ArmDescription, hand: HandDescription, namespace: str = "") -> None:
        self._make = partial(Watcher, arm=arm, hand=hand, clouds=True, keep=_KEPT)
        self._namespace = namespace
        self._stack = ExitStack()
        self._watcher: Watcher | None = None
        self.domain = -1

    def __enter__(self) -> LiveSource:
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        self.follow()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.close()

    def follow(self) -> None:
        """Go where the graph is, if it has moved to another domain."""
        given = given_domain()
        claimed = claimed_domains() if given is None else []
        stay = self.domain if self.domain >= 0 else 0
        domain = given if given is not None else claimed[0] if claimed else stay
        if domain == self.domain:
            return
        self._stack.close()
        self._watcher = self._stack.enter_context(self._watching(domain))
        self.domain = domain

    @contextmanager
    def _watching(self, domain: int) -> Iterator[Watcher]:
        with open_context(domain) as context:
            node = VnbNode("view", context=context, namespace=self._namespace)
            try:
                watcher = self._make(node)
                with spinning(context, [node]):
                    yield watcher
            finally:
                node.destroy_node()

    def latest(self) -> tuple[int, Snapshot]:
        """Return the number of messages from this domain so far and the snapshot after them."""
        assert self._watcher is not None
        return self._watcher.latest()

    def passed(self) -> list[Snapshot]:
        """Return the moments that are over since the last call, in order."""
        assert self._watcher is not None
        return self._watcher.passed()
