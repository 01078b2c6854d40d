from __future__ import annotations

import numpy as np
import pytest

from vnb_benchmark.vision import CameraPoseSource, pose_source_maker
from vnb_grasp.errors import PerceptionError, UnknownNameError
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.sensors.pose import POSE_SOURCES, PoseSensor

pytestmark = pytest.mark.render


def test_names_make_sources() -> None:
    assert [pose_source_maker(name) for name in POSE_SOURCES] == [PoseSensor, CameraPoseSource]
    with pytest.raises(UnknownNameError, match="cameras"):
        Conditions(pose_source="eyes")


def test_a_bridge_sees_its_object_and_holds_what_it_saw() -> None:
    bridge = SimBridge(Scenario("cube", object_yaw=0.2), make_pose_source=CameraPoseSource)
    bridge.settle(0.2)
    frame = bridge.sensors.read(0)
    truth = bridge.world.object_pose()[:3, 3]
    assert np.linalg.norm(frame.known_pose().position.numpy() - truth) < 0.006
    assert np.linalg.eigvalsh(frame.pose_covariance).min() > 0
    assert frame.segmentation > 0.8
    # The object is taken away: the old pose is held, and counts for nothing.
    bridge.world.set_object_pose(np.array([2.0, 3.0, 1.0]), np.array([1.0, 0.0, 0.0, 0.0]))
    bridge.settle(0.2)
    held = bridge.sensors.read(0)
    assert (held.occlusion, held.segmentation) == (1.0, 0.0)
    assert np.trace(held.pose_covariance) > np.trace(frame.pose_covariance)
    # In a new world nothing is held.
    bridge.reset(Scenario("cube", object_x=2.0, object_y=3.0))
    with pytest.raises(PerceptionError, match="not known"):
        bridge.sensors.read(0).known_pose()
    bridge.close()


def test_the_same_seed_gives_the_same_pose() -> None:
    poses = []
    for _ in range(2):
        bridge = SimBridge(Scenario("tennis_ball", seed=4), make_pose_source=CameraPoseSource)
        poses.append(bridge.sensors.read(0).T_world_object)
        bridge.close()
    np.testing.assert_array_equal(*poses)
