"""A trial that starts from depth images: the same through the node graph as without middleware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from sensor_msgs.msg import PointCloud2
from vnb_msgs.msg import ObjectPose

from vnb_bringup.bags.reader import BagReader
from vnb_bringup.graph.recording import recorded
from vnb_bringup.graph.testing import GRAPH, SETTINGS, assert_same_trial, graph, reference, scenario, until
from vnb_grasp.nodes import qos
from vnb_sim_bridge.conditions import Conditions

pytestmark = [pytest.mark.ros, pytest.mark.render]

CAMERAS = Conditions(pose_source="cameras")
STEPS = 12
"""Enough that the cameras look once while the fingers close."""


def test_a_trial_from_cameras_is_the_one_without_middleware() -> None:
    expected = reference("cameras", STEPS)
    assert expected.error_code == 0
    with graph(settings=replace(GRAPH, conditions=CAMERAS)) as running:
        heard: list[ObjectPose] = []
        running.conductor.create_subscription(ObjectPose, "object_pose", heard.append, qos.CHAIN)
        clouds: list[PointCloud2] = []  # whoever looks changes nothing
        running.conductor.create_subscription(PointCloud2, "astra/depth/points", clouds.append, qos.VIEW)
        record = running.conductor.run(scenario(), replace(SETTINGS, conditions=CAMERAS), max_steps=STEPS)
        until(lambda: len(heard) > STEPS, "poses")
        until(lambda: bool(clouds), "a cloud")
        publishers = running.conductor.get_publishers_info_by_topic("/object_pose")
    assert_same_trial(record, expected)
    assert {publisher.node_name for publisher in publishers} == {"pose_fusion"}
    assert {message.source for message in heard} <= {"fusion", "astra", "d435i"}
    assert any(message.status == ObjectPose.OK and message.step > 0 for message in heard)


def test_a_trial_from_cameras_is_recorded_with_its_images_and_without_clouds(tmp_path: Path) -> None:
    with graph(settings=replace(GRAPH, conditions=CAMERAS)) as running, recorded(running, tmp_path / "bag"):
        record = running.conductor.run(scenario(), replace(SETTINGS, conditions=CAMERAS), max_steps=2)
    assert record.error_message == ""
    with BagReader(tmp_path / "bag") as bag:
        counts = dict(bag.info.counts)
        assert bag.info.custom["dropped"].strip() in ("", "{}")
    for camera in ("astra", "d435i"):
        assert counts[f"/{camera}/depth/image_rect_raw"] > 0
        assert f"/{camera}/depth/points" not in counts  # made for whoever listens; recording would make them
    assert counts["/planner/status"] == len(record.steps)
