"""The launch files, where the launch system is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")
pytest.importorskip("launch_ros", reason="the launch system comes with a full ROS 2 only")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, GroupAction
from launch_ros.actions import Node

from vnb_bringup.graph.roster import MODULES
from vnb_bringup.hardware.roster import NODES

pytestmark = pytest.mark.ros

FOLDER = Path(__file__).resolve().parents[1] / "launch"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.launch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_argument_is_described_and_every_node_is_started() -> None:
    entities = load("sim").generate_launch_description().entities
    arguments = {a.name: a for a in entities if isinstance(a, DeclareLaunchArgument)}
    assert {"object", "regime", "seed", "method", "belief", "hand", "lockstep", "namespace"} <= set(arguments)
    assert [name for name, a in arguments.items() if not a.description] == []
    assert "mustard_bottle" in arguments["object"].choices and "vnb" in arguments["method"].choices
    (group,) = (entity for entity in entities if isinstance(entity, GroupAction))
    started = {action.node_executable for action in group.get_sub_entities() if isinstance(action, Node)}
    assert started == {f"{name}_node" for name in MODULES} | {"trial_node"}


def test_the_hardware_launch_starts_every_node_and_moves_nothing_by_itself() -> None:
    module = load("hardware")
    arguments = {
        a.name: a for a in module.generate_launch_description().entities if isinstance(a, DeclareLaunchArgument)
    }
    assert [name for name, a in arguments.items() if not a.description] == []
    assert arguments["start"].choices == ["no", "configure"]
    context = LaunchContext()
    for argument in arguments.values():
        argument.execute(context)
    assert {node.node_executable for node in module._nodes(context)} == {node.executable for node in NODES.values()}
