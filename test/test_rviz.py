"""config/vnb.rviz shows what the nodes publish, and the markers say what the graph knows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.serialization import deserialize_message
from visualization_msgs.msg import Marker, MarkerArray
from vnb_msgs.msg import GraspQuality, ObjectPose, PlannerStatus

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.testing import (
    MAX_STEPS,
    SETTINGS,
    Wiretap,
    assert_same_trial,
    graph,
    reference,
    scenario,
    until,
)
from vnb_bringup.view.clouds import CLOUD_TOPICS, optical_frame
from vnb_bringup.view.nodes.markers import LAYERS, MarkerBuilder, cone_pose, estimate_message, figures
from vnb_bringup.view.nodes.visualization_node import VisualizationNode
from vnb_bringup.view.result import result_snapshots
from vnb_bringup.view.scene import CONE_LENGTH, Cone, SceneBuilder
from vnb_bringup.view.snapshot import Snapshot, VerdictView
from vnb_grasp.description import load_arm, load_camera, load_hand
from vnb_grasp.description.urdf import robot_urdf
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning
from vnb_sim_bridge.cameras.rig import CAMERAS

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[1]
RVIZ = yaml.safe_load((ROOT / "config" / "vnb.rviz").read_text(encoding="utf-8"))
MANAGER = RVIZ["Visualization Manager"]
DISPLAYS = {display["Name"]: display for display in MANAGER["Displays"]}

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SENSOR = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


@dataclass(frozen=True)
class Published:
    """Type and quality of service of a topic."""

    kind: str
    profile: QoSProfile


OF_OTHERS = {
    "/robot_description": Published("std_msgs/msg/String", LATCHED),  # robot_state_publisher
    **{f"/{topic}": Published(kind, SENSOR) for topic, kind in CLOUD_TOPICS.items()},  # sim bridge or camera drivers
}
"""What other nodes than the visualization publish, with the weakest quality of service that they can be set to."""

SHOWN = {
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/PoseWithCovariance": "geometry_msgs/msg/PoseWithCovarianceStamped",
    "rviz_default_plugins/PointCloud2": "sensor_msgs/msg/PointCloud2",
    "rviz_default_plugins/RobotModel": "std_msgs/msg/String",
}
"""Message type that each kind of display shows."""

WITHOUT_TOPIC = {"rviz_default_plugins/Grid", "rviz_default_plugins/TF"}


@pytest.fixture(scope="module")
def node() -> Iterator[VisualizationNode]:
    with own_domain() as domain, open_context(domain) as context:
        made = VisualizationNode(context=context)
        yield made
        made.destroy_node()


@pytest.fixture(scope="module")
def published(node: VisualizationNode) -> dict[str, Published]:
    found = dict(OF_OTHERS)
    for topic, kinds in node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace()):
        (info,) = node.get_publishers_info_by_topic(topic)
        found[topic] = Published(kinds[0], info.qos_profile)
    return found


def topic_of(display: dict[str, Any]) -> dict[str, Any]:
    return display["Description Topic" if display["Class"].endswith("RobotModel") else "Topic"]


def profile_of(topic: dict[str, Any]) -> QoSProfile:
    reliability = {"Reliable": ReliabilityPolicy.RELIABLE, "Best Effort": ReliabilityPolicy.BEST_EFFORT}
    durability = {"Volatile": DurabilityPolicy.VOLATILE, "Transient Local": DurabilityPolicy.TRANSIENT_LOCAL}
    return profile(topic["Depth"], reliability[topic["Reliability Policy"]], durability[topic["Durability Policy"]])


def profile(depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(
        depth=depth, reliability=reliability, durability=durability, liveliness=LivelinessPolicy.AUTOMATIC
    )


@pytest.mark.parametrize("name", [n for n, d in DISPLAYS.items() if d["Class"] not in WITHOUT_TOPIC])
def test_every_display_gets_its_topic(name: str, published: dict[str, Published]) -> None:
    display = DISPLAYS[name]
    topic = topic_of(display)
    source = published[topic["Value"]]
    assert source.kind == SHOWN[display["Class"]]
    offered = profile(1, source.profile.reliability, source.profile.durability)
    compatible, reason = qos_check_compatible(offered, profile_of(topic))
    assert compatible == QoSCompatibility.OK, reason


def test_everything_that_the_node_publishes_to_be_seen_has_a_display(published: dict[str, Published]) -> None:
    shown = {topic_of(d)["Value"] for d in DISPLAYS.values() if d["Class"] not in WITHOUT_TOPIC}
    assert shown == {topic for topic in published if topic.startswith("/visualization/")} | set(OF_OTHERS)
    assert all(d["Enabled"] for d in DISPLAYS.values() if d["Class"] not in WITHOUT_TOPIC)


def test_the_fixed_frame_is_one_of_the_robot() -> None:
    frame = MANAGER["Global Options"]["Fixed Frame"]
    assert f'<link name="{frame}"' in robot_urdf(load_arm("fr3"), load_hand("l6_v31"))


def test_the_clouds_frames_are_in_the_description_that_is_launched() -> None:
    urdf = robot_urdf(load_arm("fr3"), load_hand("l6_v31"), [load_camera(name) for name in CAMERAS])
    assert all(f'<link name="{optical_frame(camera)}"' in urdf for camera in CAMERAS)
    assert "cameras)" in (ROOT / "launch" / "sim.launch.py").read_text(encoding="utf-8")


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Return the moment of a record in which all fingers touch, with a verdict."""
    from vnb_bringup.report.json_report import result_json
    from vnb_bringup.report.testing import make_record, make_step

    steps = tuple(replace(make_step(n), taxels=((60,) * 72,) * 5, contact=(True,) * 5) for n in range(3))
    (tmp_path / "result.json").write_text(result_json(make_record(steps=steps)))
    return replace(result_snapshots(tmp_path)[-1], phase="closing")


def build(builder: MarkerBuilder, snapshot: Snapshot) -> dict[str, list[Marker]]:
    scene = SceneBuilder(load_arm("fr3"), load_hand("l6_v31")).build(snapshot)
    return {name: array.markers for name, array in builder.build(scene, snapshot, Time(sec=1)).items()}


def test_a_moment_becomes_the_markers_that_the_displays_name(snapshot: Snapshot) -> None:
    layers = build(MarkerBuilder(), snapshot)
    assert tuple(layers) == LAYERS
    for name, markers in layers.items():
        (display,) = (d for d in DISPLAYS.values() if topic_of_or_none(d) == f"/visualization/{name}")
        assert {marker.ns for marker in markers} == set(display["Namespaces"]), name
        assert {marker.header.frame_id for marker in markers} == {"world"}
        assert {marker.action for marker in markers} == {Marker.ADD}
        assert len({(marker.ns, marker.id) for marker in markers}) == len(markers)
    assert len(layers["contacts"]) == 10 and len(layers["paths"]) == 5
    weights = sorted((m.color.a for m in layers["belief"] if m.ns == "components"), reverse=True)
    assert snapshot.belief is not None
    np.testing.assert_allclose(weights, 0.08 + 0.5 * np.sort(snapshot.belief.weights)[::-1], rtol=1e-6)


def topic_of_or_none(display: dict[str, Any]) -> str | None:
    return None if display["Class"] in WITHOUT_TOPIC else topic_of(display)["Value"]


def test_what_is_gone_is_deleted_once(snapshot: Snapshot) -> None:
    builder = MarkerBuilder()
    before = build(builder, snapshot)
    gone = build(builder, Snapshot())
    for name, markers in gone.items():
        assert {(m.ns, m.id) for m in markers} == {(m.ns, m.id) for m in before[name]}
        assert {m.action for m in markers} == {Marker.DELETE}
    assert all(markers == [] for markers in build(builder, Snapshot()).values())


def test_the_text_holds_the_figures_of_the_snapshot() -> None:
    known = Snapshot(p_fail=0.25, cvar=0.125, epsilon_hat=0.0625, entropy=-3.25, phase="closing", step=7)
    assert figures(replace(known, contact=np.array([True, True, True, False, False]))).splitlines() == [
        "closing, step 7",
        "P(fail) 0.25   CVaR 0.125",
        "wrench space: ε 0.062, closed, 3 of 5 fingers",
        "entropy -3.2 nat",
    ]
    assert "P(fail) –" in figures(Snapshot()) and "closed" not in figures(Snapshot())
    texts = build(MarkerBuilder(), replace(known, truth=np.eye(4), verdict=VerdictView("bad", "Slipped", "It fell.")))
    assert [marker.text for marker in texts["text"]][1] == "Slipped. It fell."


@pytest.mark.parametrize("axis", [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.6, -0.8, 0.0)])
def test_a_cone_opens_along_its_axis(axis: tuple[float, float, float]) -> None:
    pose = cone_pose(Cone(0, np.array([0.1, 0.2, 0.3]), np.array(axis), 0.5, 1.0))
    np.testing.assert_allclose(pose[:3, :3] @ [0, 0, CONE_LENGTH], CONE_LENGTH * np.array(axis), atol=1e-12)
    np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) > 0


def test_the_estimate_keeps_pose_and_covariance() -> None:
    pose, covariance = np.eye(4), np.diag([1e-6, 4e-6, 9e-6, 1e-4, 2e-4, 3e-4])
    pose[:3, 3] = (0.1, 0.9, 0.8)
    message = estimate_message(Snapshot(estimate=pose, covariance=covariance), Time())
    assert message is not None
    position = message.pose.pose.position
    np.testing.assert_allclose([position.x, position.y, position.z], (0.1, 0.9, 0.8))
    np.testing.assert_allclose(np.reshape(message.pose.covariance, (6, 6)), covariance)
    assert estimate_message(Snapshot(estimate=pose), Time()) is None


def test_an_estimate_that_is_lost_is_told_once(node: VisualizationNode, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Snapshot(time=1.0, estimate=np.eye(4), covariance=np.eye(6))
    moments = iter(enumerate((Snapshot(), known, Snapshot(time=2.0), Snapshot(time=3.0)), start=1000))
    got: list[PoseWithCovarianceStamped] = []
    monkeypatch.setattr(node, "_watcher", SimpleNamespace(latest=lambda: next(moments)))
    monkeypatch.setattr(node, "_pose_out", SimpleNamespace(publish=got.append))
    for _ in range(4):
        node._draw()
    assert [message.header.stamp.sec for message in got] == [1, 2]
    assert got[0].pose.pose.orientation.w == 1.0
    assert math.isnan(got[1].pose.pose.position.x) and np.isnan(got[1].pose.covariance).all()


def test_the_node_answers_messages_with_markers_also_for_late_joiners() -> None:
    with own_domain() as domain, open_context(domain) as context:
        node, other = VisualizationNode(context=context), VnbNode("other", context=context)
        got: dict[str, MarkerArray] = {}
        with spinning(context, [node, other]):
            pose_out = other.create_publisher(ObjectPose, "object_pose", qos.CHAIN)
            status_out = other.create_publisher(PlannerStatus, "planner/status", qos.CHAIN)
            quality_out = other.create_publisher(GraspQuality, "grasp_quality", qos.CHAIN)
            publishers = (pose_out, status_out, quality_out)
            until(lambda: all(p.get_subscription_count() == 1 for p in publishers), "the node's subscriptions")
            pose = ObjectPose(object_name="cube")
            pose.header.frame_id = "world"
            pose.pose.pose.orientation.w = 1.0
            pose_out.publish(pose)
            status_out.publish(PlannerStatus(phase=PlannerStatus.CLOSING, step=3, p_fail=0.5))
            time.sleep(0.3)  # the pictures of these messages are drawn before anybody looks
            for name in LAYERS:
                other.create_subscription(
                    MarkerArray, f"visualization/{name}", lambda m, name=name: got.update({name: m}), qos.LATCHED
                )
            until(lambda: any("0.50" in m.text for m in _markers(got, "text")), "the late joiner's text")
            until(lambda: [m.ns for m in _markers(got, "object")] == ["estimate"], "the estimated object")
        node.destroy_node()
        other.destroy_node()


def test_a_trial_is_seen_and_not_changed() -> None:
    with graph() as running, Wiretap() as tap:
        node = VisualizationNode(context=running.context)
        with spinning(running.context, [node]):
            record = running.conductor.run(scenario(), SETTINGS, max_steps=MAX_STEPS)
            until(lambda: any("verdict" in {m.ns for m in a.markers} for a in _arrays(tap, "text")), "the verdict")
        node.destroy_node()
    assert_same_trial(record, reference())
    assert tap.counts["/diagnostics"] == 0
    seen = {name: {m.ns for array in _arrays(tap, name) for m in array.markers} for name in LAYERS}
    assert seen["object"] == {"estimate", "truth"} and seen["belief"] == {"components", "position"}
    assert seen["paths"] == {"tips"} and seen["text"] == {"figures", "verdict"}


def _arrays(tap: Wiretap, name: str) -> list[MarkerArray]:
    data = list(tap.data.get(f"/visualization/{name}", ()))
    return [deserialize_message(bytes_, MarkerArray) for bytes_ in data]


def _markers(got: dict[str, MarkerArray], name: str) -> list[Marker]:
    return list(got[name].markers) if name in got else []
