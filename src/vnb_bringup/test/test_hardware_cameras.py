"""Emulated cameras in the hardware graph: from a drawn world through the drivers to the pose that decisions get."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from vnb_msgs.msg import ObjectPose, TactileArray

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.hardware.cameras import DrawnCameras, Snapshot, snapshot_of
from vnb_bringup.hardware.container import node_class
from vnb_bringup.hardware.emulated import EMULATED_DEADLINES
from vnb_bringup.hardware.roster import CAMERA_NODES, Connections, emulated_cameras, hardware_parameters
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import header, joint_state
from vnb_grasp.nodes.run import spinning
from vnb_hardware.cameras.emulated import EmulatorCamera
from vnb_hardware.cameras.interface import CameraFrame, CameraSettings
from vnb_sim_bridge.cameras.rig import CameraRig
from vnb_sim_bridge.scenario import draw_scenario
from vnb_sim_bridge.world.world import World

pytestmark = [pytest.mark.ros, pytest.mark.render]

SCENARIO = draw_scenario("cube", "nominal", 1)
LOOKED = 60.0
"""Patience with a busy machine [s]."""


def until(condition: Callable[[], Any], what: str) -> None:
    due = time.monotonic() + LOOKED
    while not condition():
        assert time.monotonic() < due, f"waited for {what}"
        time.sleep(0.02)


def take(drawn: DrawnCameras, camera: str, **size: int) -> CameraFrame:
    settings = CameraSettings(serial=camera, address=drawn.server.address, **size)
    driver = EmulatorCamera(settings)
    try:
        driver.open()
        return driver.read(LOOKED)
    finally:
        driver.close()


def test_drivers_get_what_the_robots_cameras_see() -> None:
    world = World(SCENARIO)
    scene = snapshot_of(world)
    rig = CameraRig(world)
    expected = {frame.camera.name: frame for frame in rig.take(0, color=True)}
    rig.close()
    with DrawnCameras(lambda: scene, period=3600.0, color=True) as drawn:
        for name, frame in expected.items():
            height, width = frame.depth.shape
            got = take(drawn, name, width=width, height=height, color_width=width, color_height=height)
            assert_array_equal(got.depth, frame.depth)
            assert got.color is not None and frame.color is not None
            assert_array_equal(got.color, frame.color)
            assert frame.color.std() > 5.0, "a picture, not a grey wall"
            assert abs(got.stamp - time.time()) < LOOKED


def test_whoever_cannot_be_drawn_is_said_at_once() -> None:
    def broken() -> Snapshot:
        raise ValueError("no world")

    with pytest.raises(ValueError, match="no world"):
        DrawnCameras(broken)


@contextmanager
def seeing(drawn: DrawnCameras, world: World) -> Iterator[SimpleNamespace]:
    """Yield what is heard of a graph of both drivers, both estimators and the fusion; the robot stands still."""
    connections = Connections(cameras=emulated_cameras(drawn.server.address))
    given = hardware_parameters(GraphSettings(SCENARIO.object_name), connections)
    with own_domain() as domain, open_context(domain) as context:
        nodes: list[VnbNode] = []
        for name, node in CAMERA_NODES.items():
            overrides = {**given[name], **EMULATED_DEADLINES[name]}
            arguments = ["--ros-args"]
            for topic, other in node.remappings.items():
                arguments += ["-r", f"{topic}:={other}"]
            made: Callable[..., VnbNode] = node_class(name)
            parameters = [Parameter(key, value=value) for key, value in overrides.items()]
            nodes.append(made(context=context, cli_args=arguments, parameter_overrides=parameters))
        robot = VnbNode("robot", context=context)
        heard: dict[str, list[ObjectPose]] = {
            "object_pose/measured": [],
            "astra/object_pose": [],
            "d435i/object_pose": [],
        }
        for topic, messages in heard.items():
            robot.create_subscription(ObjectPose, topic, messages.append, qos.CHAIN)
        arm = robot.create_publisher(JointState, "arm/driver/joint_states", qos.CHAIN)
        hand = robot.create_publisher(JointState, "hand/driver/joint_states", qos.CHAIN)
        touch = robot.create_publisher(TactileArray, "hand/driver/tactile", qos.CHAIN)
        ended = threading.Event()

        def stand() -> None:
            while not ended.wait(0.04):
                stamp = robot.get_clock().now().to_msg()
                arm.publish(joint_state(stamp, world.arm.joint_names, world.arm_q()))
                hand.publish(joint_state(stamp, world.hand.joint_names, world.hand_q()))
                touch.publish(TactileArray(header=header(stamp)))

        standing = threading.Thread(target=stand, daemon=True)
        try:
            with spinning(context, [*nodes, robot]):
                standing.start()
                yield SimpleNamespace(heard=heard)
                ended.set()
                standing.join()
        finally:
            ended.set()
            for made_node in (*nodes, robot):
                made_node.close()
                made_node.destroy_node()


def test_the_pose_comes_from_the_cameras_through_their_drivers_and_survives_the_loss_of_one() -> None:
    world = World(SCENARIO)
    scene = snapshot_of(world)
    truth = world.object_pose()[:3, 3]
    with DrawnCameras(lambda: scene) as drawn, seeing(drawn, world) as graph:
        measured = graph.heard["object_pose/measured"]

        def both() -> bool:
            return bool(measured) and measured[-1].status == ObjectPose.OK and not measured[-1].reason

        until(both, "a pose of both cameras")
        found = measured[-1].pose.pose.position
        assert np.linalg.norm(np.array([found.x, found.y, found.z]) - truth) < 0.006
        drawn.server.cameras["d435i"].faults.switch("unplug")
        astra, d435i = graph.heard["astra/object_pose"], graph.heard["d435i/object_pose"]
        time.sleep(1.0)
        seen_by_one, seen_by_other = len(astra), len(d435i)
        until(lambda: len(astra) > seen_by_one + 2, "the other camera to go on")
        assert len(d435i) <= seen_by_other + 1, "an unplugged camera sees nothing"
        until(lambda: measured[-1].status == ObjectPose.OK, "a pose of one camera")
        drawn.server.cameras["d435i"].faults.clear()
        until(lambda: len(d435i) > seen_by_other + 2, "the camera to be back")
