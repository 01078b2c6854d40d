"""The launch file, where the launch system is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")
pytest.importorskip("launch_ros", reason="the launch system comes with a full ROS 2 only")

from launch.actions import DeclareLaunchArgument, GroupAction
from launch_ros.actions import Node

from vnb_bringup.graph.roster import CAMERA_MODULES, MODULES

pytestmark = pytest.mark.ros

FILE = Path(__file__).resolve().parents[1] / "launch" / "sim.launch.py"


def test_every_argument_is_described_and_every_node_is_started() -> None:
    spec = importlib.util.spec_from_file_location("sim_launch", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    entities = module.generate_launch_description().entities
    arguments = {a.name: a for a in entities if isinstance(a, DeclareLaunchArgument)}
    assert {"object", "regime", "seed", "method", "belief", "hand", "lockstep", "namespace"} <= set(arguments)
    assert [name for name, a in arguments.items() if not a.description] == []
    assert "mustard_bottle" in arguments["object"].choices and "vnb" in arguments["method"].choices
    (group,) = (entity for entity in entities if isinstance(entity, GroupAction))
    started = {action.node_executable for action in group.get_sub_entities() if isinstance(action, Node)}
    cameras = {module.rpartition(".")[2] for module in CAMERA_MODULES.values()}
    assert started == {f"{name}_node" for name in MODULES} | cameras | {"trial_node"}
