"""Decision steps of readings: what makes one, and what is no reading."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from sensor_msgs.msg import JointState
from vnb_msgs.msg import ErrorCode, ObjectPose, TactileArray
from vnb_msgs.srv import BeginGrasp

from vnb_grasp.nodes import qos
from vnb_hardware.nodes.decision_node import DecisionNode
from vnb_hardware.nodes.testing import nodes, until

pytestmark = pytest.mark.ros

DOMAIN = 96
DEVICES = (
    (JointState, "hand/driver/joint_states"),
    (JointState, "hand/driver/target"),
    (TactileArray, "hand/driver/tactile"),
    (JointState, "arm/driver/joint_states"),
)


@contextmanager
def running() -> Iterator[tuple[Any, Any]]:
    """Yield an observer, and the publisher of poses; hand and arm go on saying where they are."""
    with nodes(DOMAIN, (DecisionNode, {"max_age": 5.0})) as (observer, _):
        outs = [(kind, observer.create_publisher(kind, topic, qos.CHAIN)) for kind, topic in DEVICES]
        poses = observer.create_publisher(ObjectPose, "object_pose/measured", qos.CHAIN)
        ended = threading.Event()

        def talk() -> None:
            while not ended.wait(0.05):
                for kind, out in outs:
                    out.publish(kind())

        talking = threading.Thread(target=talk, daemon=True)
        talking.start()
        try:
            until(lambda: poses.get_subscription_count() > 0, "the decision node to listen")
            yield observer, poses
        finally:
            ended.set()
            talking.join()


def pose(status: int, x: float) -> ObjectPose:
    message = ObjectPose(status=status, reason="" if status == ObjectPose.OK else "the image is empty")
    message.pose.pose.position.x = x
    return message


def test_a_pose_that_is_not_known_is_no_reading() -> None:
    with running() as (observer, poses):
        steps = observer.hear(ObjectPose, "object_pose")

        def begin(reason: str) -> bool:
            answer = observer.call(BeginGrasp, "begin_grasp", BeginGrasp.Request())
            assert answer.error_code in (ErrorCode.NONE, ErrorCode.SILENCE)
            return bool(reason in answer.error_message) if reason else answer.error_code == ErrorCode.NONE

        poses.publish(pose(ObjectPose.STALE, math.nan))
        until(lambda: begin("object_pose/measured never came (the image is empty)"), "the refusal")
        assert not steps
        poses.publish(pose(ObjectPose.HELD, 0.25))
        until(lambda: begin(""), "the grasp to begin")
        poses.publish(pose(ObjectPose.NO_OBJECT, math.nan))
        count = len(steps)
        until(lambda: begin("") and len(steps) > count + 2, "further steps")
        assert {step.pose.pose.position.x for step in steps} == {0.25}
