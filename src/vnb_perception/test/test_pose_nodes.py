"""The nodes of the cameras: every image and every step is answered, whatever comes."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from vnb_msgs.msg import ObjectPose, TactileArray

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_grasp.description import load_arm, load_camera, load_hand
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import header, joint_state, stamp_from_seconds
from vnb_grasp.nodes.run import spinning
from vnb_perception.estimate import PoseEstimate, Status, no_estimate, pose_of
from vnb_perception.nodes.alignment import JointHistory
from vnb_perception.nodes.messages import estimate_from_message, estimate_to_message
from vnb_perception.nodes.pose_estimator_node import PoseEstimatorNode
from vnb_perception.nodes.pose_fusion_node import PoseFusionNode
from vnb_perception.objects.model import described_model

pytestmark = pytest.mark.ros

ARM, HAND = load_arm("fr3"), load_hand("l6_v31")


@pytest.fixture(scope="module")
def rig() -> Iterator[SimpleNamespace]:
    """Yield one estimator, the fusion of its estimates, and a node that talks to them."""
    cube = Parameter("object_name", value="cube")
    with own_domain() as domain, open_context(domain) as context:
        estimator = PoseEstimatorNode(context=context, parameter_overrides=[cube])
        only = Parameter("cameras", value=["astra"])
        fusion = PoseFusionNode(context=context, parameter_overrides=[cube, only])
        tester = VnbNode("tester", context=context)
        heard: dict[str, list[Any]] = {"astra/object_pose": [], "object_pose": [], "/diagnostics": []}
        for topic, messages in heard.items():
            kind = DiagnosticArray if topic == "/diagnostics" else ObjectPose
            tester.create_subscription(kind, topic, messages.append, qos.CHAIN)
        send = {
            topic: tester.create_publisher(kind, topic, qos.CHAIN)
            for topic, kind in (
                ("astra/depth/camera_info", CameraInfo),
                ("astra/depth/image_rect_raw", Image),
                ("arm/joint_states", JointState),
                ("hand/joint_states", JointState),
                ("hand/tactile", TactileArray),
            )
        }
        nodes = (estimator, fusion, tester)
        with spinning(context, nodes):
            wait(lambda: all(out.get_subscription_count() for out in send.values()), "discovery")
            wait(lambda: tester.count_publishers("object_pose") == 1, "discovery")
            yield SimpleNamespace(heard=heard, send=send, tester=tester, estimator=estimator)
        for node in nodes:
            node.destroy_node()


def wait(condition: Callable[[], Any], what: str) -> None:
    due = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < due, f"waited for {what}"
        time.sleep(0.01)


def joints(rig: SimpleNamespace, when: float) -> None:
    stamp = stamp_from_seconds(when)
    rig.send["arm/joint_states"].publish(joint_state(stamp, ARM.joint_names, np.array(ARM.home)))
    rig.send["hand/joint_states"].publish(joint_state(stamp, HAND.joint_names, np.zeros(11)))


def picture(rig: SimpleNamespace, when: float, depth: np.ndarray, encoding: str = "16UC1", fx: float = 572.0) -> None:
    camera, stamp = load_camera("astra"), stamp_from_seconds(when)
    k = [fx, 0.0, camera.cx, 0.0, fx, camera.cy, 0.0, 0.0, 1.0]
    height, width = depth.shape
    rig.send["astra/depth/camera_info"].publish(CameraInfo(header=header(stamp), width=width, height=height, k=k))
    data = array.array("B", depth.astype("<u2").tobytes())
    image = Image(header=header(stamp), width=width, height=height, encoding=encoding, step=2 * width, data=data)
    rig.send["astra/depth/image_rect_raw"].publish(image)


def answer(rig: SimpleNamespace, when: float, topic: str = "astra/object_pose") -> ObjectPose:
    stamp = stamp_from_seconds(when)
    found = lambda: [message for message in rig.heard[topic] if message.header.stamp == stamp]  # noqa: E731
    wait(found, f"an answer on {topic} for {when} s")
    return found()[0]


def diagnosed(rig: SimpleNamespace, words: str) -> None:
    wait(lambda: any(words in s.message for m in rig.heard["/diagnostics"] for s in m.status), f"diagnostic {words!r}")


def test_an_image_becomes_the_pose_of_its_step(
    rig: SimpleNamespace, draw: Callable[..., np.ndarray], stand: Callable[..., np.ndarray]
) -> None:
    T = stand(described_model("cube"))
    depth = np.rint(draw("astra", [("cube", T)], seed=1) * 1000)
    rig.send["hand/tactile"].publish(TactileArray(header=header(stamp_from_seconds(10.0)), step=20))
    picture(rig, 10.0, depth)
    joints(rig, 10.0)
    seen, fused = answer(rig, 10.0), answer(rig, 10.0, "object_pose")
    assert (seen.status, seen.source, seen.object_name) == (ObjectPose.OK, "astra", "cube")
    assert (fused.status, fused.source, fused.step) == (ObjectPose.OK, "fusion", 20)
    assert abs(fused.pose.pose.position.x - T[0, 3]) < 0.004
    # A step between two images gets the same pose; one long after gets it with more doubt.
    for when, step, status in ((10.04, 21, ObjectPose.OK), (15.0, 23, ObjectPose.HELD)):
        rig.send["hand/tactile"].publish(TactileArray(header=header(stamp_from_seconds(when)), step=step))
        later = answer(rig, when, "object_pose")
        assert (later.status, later.pose.pose) == (status, fused.pose.pose)
    assert later.pose.covariance[0] > fused.pose.covariance[0]
    assert (later.occlusion, later.segmentation_confidence) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("when", "change", "words"),
    [
        (20.0, {"encoding": "bgr8"}, "bgr8"),
        (21.0, {"fx": 0.0}, "intrinsics"),
        (22.0, {"depth": np.zeros((480, 640))}, "no pixel"),
        (23.0, {"depth": np.ones((480, 640))}, "32FC1"),
        (24.0, {"depth": np.full((0, 0), 1.0)}, "expected"),
    ],
)
def test_images_that_cannot_be_used_are_answered(
    rig: SimpleNamespace, when: float, change: dict[str, Any], words: str
) -> None:
    joints(rig, when)
    picture(rig, when, **{"depth": np.full((480, 640), 600.0), **change})
    got = answer(rig, when)
    assert got.status == ObjectPose.BAD_INPUT
    assert words in got.reason
    assert np.isnan(got.pose.pose.position.x)
    diagnosed(rig, words)


@pytest.mark.parametrize(("of_image", "of_joints", "words"), [(30.0, 33.0, "old"), (49.0, 40.0, "future")])
def test_images_of_another_time_are_stale(rig: SimpleNamespace, of_image: float, of_joints: float, words: str) -> None:
    picture(rig, of_image, np.full((480, 640), 600.0))
    due = time.monotonic() + 60.0
    shift = 0.0
    while not [m for m in rig.heard["astra/object_pose"] if m.header.stamp == stamp_from_seconds(of_image)]:
        joints(rig, of_joints + shift)  # joints go on coming; a single one might have overtaken the image
        shift += 0.01
        time.sleep(0.05)
        assert time.monotonic() < due
    got = answer(rig, of_image)
    assert got.status == ObjectPose.STALE
    assert words in got.reason
    diagnosed(rig, words)


def test_an_empty_table_is_no_fault(rig: SimpleNamespace, draw: Callable[..., np.ndarray]) -> None:
    joints(rig, 60.0)
    picture(rig, 60.0, np.rint(draw("astra", [], seed=1) * 1000))
    assert answer(rig, 60.0).status == ObjectPose.NO_OBJECT


def test_an_image_becomes_a_cloud_while_somebody_listens(rig: SimpleNamespace) -> None:
    depth = np.full((480, 640), 600.0)
    depth[10, 20] = 0.0
    joints(rig, 70.0)
    picture(rig, 70.0, depth)
    answer(rig, 70.0)
    clouds: list[PointCloud2] = []
    listening = rig.tester.create_subscription(PointCloud2, "astra/depth/points", clouds.append, qos.VIEW)
    wait(lambda: rig.estimator._points_out.get_subscription_count(), "discovery")
    when = 71.0
    while not clouds:  # a reader is matched a moment before it hears
        joints(rig, when)
        picture(rig, when, depth)
        answer(rig, when)
        when += 1.0
        assert when < 100.0
    cloud = clouds[0]
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step, cloud.is_dense) == (480, 640, 12, 7680, False)
    assert [field.name for field in cloud.fields] == ["x", "y", "z"]
    points = np.frombuffer(cloud.data, "<f4").reshape(480, 640, 3)
    camera = load_camera("astra")
    assert np.isnan(points[10, 20]).all()
    expected = [0.6 * (100 - camera.cx) / 572.0, 0.6 * (50 - camera.cy) / 572.0, 0.6]
    np.testing.assert_allclose(points[50, 100], expected, rtol=1e-5)
    rig.tester.destroy_subscription(listening)


def test_messages_carry_estimates_unchanged() -> None:
    T = np.eye(4)
    T[:3, 3] = 0.1, 0.2, 0.3
    estimate = PoseEstimate(Status.OK, "", pose_of(T), np.eye(6) * 1e-6, 0.9, 0.001, 0.25, 0.75, "astra")
    back = estimate_from_message(estimate_to_message(estimate, stamp_from_seconds(1.0), 3, "cube"))
    np.testing.assert_array_equal(back.T_world_object, estimate.T_world_object)
    np.testing.assert_array_equal(back.covariance, estimate.covariance)
    assert (back.status, back.fitness, back.occlusion, back.source) == (Status.OK, 0.9, 0.25, "astra")
    blind = estimate_from_message(
        estimate_to_message(no_estimate("astra", Status.POOR, "why"), stamp_from_seconds(1.0), 0, "cube")
    )
    assert (blind.status, blind.reason) == (Status.POOR, "why")


@pytest.mark.parametrize("change", [{"status": 99}, {"frame": "map"}, {"position": float("nan")}, {"variance": -1.0}])
def test_estimates_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    estimate = PoseEstimate(Status.OK, "", pose_of(np.eye(4)), np.eye(6) * 1e-6, 0.9, 0.001, 0.0, 1.0, "astra")
    message = estimate_to_message(estimate, stamp_from_seconds(1.0), 0, "cube")
    message.status = change.get("status", message.status)
    message.header.frame_id = change.get("frame", message.header.frame_id)
    message.pose.pose.position.x = change.get("position", 0.0)
    covariance = list(message.pose.covariance)
    covariance[0] = change.get("variance", covariance[0])
    message.pose.covariance = covariance
    from vnb_grasp.errors import PerceptionError

    with pytest.raises(PerceptionError, match="astra"):
        estimate_from_message(message)


def test_readings_are_found_by_time() -> None:
    history = JointHistory(("arm", "hand"), 0.5)
    for when in (1.0, 1.1, 1.2):
        history.add("arm", when, ("arm", when))
        history.add("hand", when, ("hand", when))
    assert history.at(1.1) == {"arm": ("arm", 1.1), "hand": ("hand", 1.1)}
    assert history.at(1.17) == {"arm": ("arm", 1.2), "hand": ("hand", 1.2)}
    assert history.at(1.3) is None  # nearer ones may still come
    history.add("arm", 0.0, ("arm", 0.0))  # a new world
    assert history.at(1.1) is None
