"""The launch files, where the launch system is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")
pytest.importorskip("launch_ros", reason="the launch system comes with a full ROS 2 only")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node

from vnb_bringup.bags.nodes.recorder_node import RecorderConfig
from vnb_bringup.graph.roster import CAMERA_MODULES, MODULES
from vnb_bringup.hardware.roster import CAMERA_DRIVERS, CAMERA_NODES, NODES

pytestmark = pytest.mark.ros

FILES = Path(__file__).resolve().parents[1] / "launch"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_launch", FILES / f"{name}.launch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["sim", "hardware", "record"])
@pytest.mark.parametrize(("given", "expected"), [(None, "LOCALHOST"), ("SUBNET", "SUBNET")])
def test_nothing_leaves_the_machine_unless_the_user_says_so(
    name: str, given: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "ROS_AUTOMATIC_DISCOVERY_RANGE"
    monkeypatch.delenv(variable, raising=False)
    if given is not None:
        monkeypatch.setenv(variable, given)
    first = load(name).generate_launch_description().entities[0]
    assert isinstance(first, SetEnvironmentVariable), "before any process is started"
    context = LaunchContext()
    first.execute(context)
    assert context.environment[variable] == expected


def test_every_argument_is_described_and_every_node_is_started() -> None:
    entities = load("sim").generate_launch_description().entities
    arguments = {a.name: a for a in entities if isinstance(a, DeclareLaunchArgument)}
    assert {"object", "regime", "seed", "method", "belief", "hand", "lockstep", "namespace"} <= set(arguments)
    assert [name for name, a in arguments.items() if not a.description] == []
    assert "mustard_bottle" in arguments["object"].choices and "vnb" in arguments["method"].choices
    (group,) = (entity for entity in entities if isinstance(entity, GroupAction))
    started = {action.node_executable for action in group.get_sub_entities() if isinstance(action, Node)}
    cameras = {module.rpartition(".")[2] for module in CAMERA_MODULES.values()}
    assert started == {f"{name}_node" for name in MODULES} | cameras | {"trial_node", "visualization_node", "rviz2"}


def test_the_recorder_is_started_with_its_parameters_or_rosbag2() -> None:
    description = load("record").generate_launch_description()
    arguments = {a.name: a for a in description.entities if isinstance(a, DeclareLaunchArgument)}
    assert [name for name, a in arguments.items() if not a.description] == []
    assert arguments["out"].default_value is None
    (start,) = (entity for entity in description.entities if isinstance(entity, OpaqueFunction))
    context = LaunchContext()
    given = {"out": "a bag", "storage": "sqlite3", "split_mb": "1.5", "topics": "/belief, observation"}
    context.launch_configurations.update(given, recorder="vnb")
    node, _ = start.execute(context)
    assert (node.node_package, node.node_executable) == ("vnb_bringup", "recorder_node")
    context.launch_configurations["recorder"] = "rosbag2"
    process, _ = start.execute(context)
    words = ["".join(part.perform(context) for part in word) for word in process.cmd]
    assert words[:5] == ["ros2", "bag", "record", "--output", "a bag"]
    assert words[5:] == ["--storage", "sqlite3", "--max-bag-size", "1572864", "--topics", "/belief", "observation"]


def test_the_recorder_gets_its_parameters_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("record")
    monkeypatch.setattr(module, "Node", SimpleNamespace)
    given = {"out": "a bag", "storage": "sqlite3", "split_mb": "1.5", "topics": "/belief, observation"}
    (parameters,) = module._vnb(given).parameters
    assert parameters == {
        "out": "a bag",
        "storage": "sqlite3",
        "split_megabytes": 1.5,
        "topics": "/belief, observation",
    }
    kinds = {field.name: field.type for field in fields(RecorderConfig)}
    assert {name: type(value).__name__ for name, value in parameters.items()} == {
        name: kinds[name] for name in parameters
    }


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


@pytest.mark.parametrize("cameras", ["drivers", "nodes"])
def test_the_hardware_launch_takes_the_pose_from_cameras(cameras: str) -> None:
    module = load("hardware")
    context = LaunchContext()
    for argument in module.generate_launch_description().entities:
        if isinstance(argument, DeclareLaunchArgument):
            argument.execute(context)
    context.launch_configurations.update(cameras=cameras, d435i_serial="42", astra_depth="/side/depth/image_raw")
    started = {node._Node__node_name: node for node in module._nodes(context)}
    left_out = set() if cameras == "drivers" else set(CAMERA_DRIVERS)
    assert set(started) == (set(NODES) | set(CAMERA_NODES)) - left_out
    remapped = {
        "".join(part.perform(context) for part in old): "".join(part.perform(context) for part in new)
        for old, new in started["astra_pose_estimator"]._Node__remappings
    }
    assert remapped["arm/joint_states"] == "arm/driver/joint_states"
    expected = "/side/depth/image_raw" if cameras == "nodes" else None
    assert remapped.get("astra/depth/image_rect_raw") == expected
