"""Parameter files name only parameters that a node declares, and every parameter says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from vnb_bringup.graph.composition import composed_graph
from vnb_bringup.graph.processes import ros_arguments
from vnb_bringup.graph.roster import CAMERA_MODULES, MODULES, GraphSettings, node_parameters
from vnb_grasp.nodes.parameters import parameter_descriptions
from vnb_hardware.nodes.arm_driver_node import ArmDriverConfig
from vnb_hardware.nodes.camera_driver_node import CameraDriverConfig
from vnb_hardware.nodes.decision_node import DecisionConfig
from vnb_hardware.nodes.hand_driver_node import HandDriverConfig
from vnb_hardware.nodes.supervisor_node import SupervisorConfig
from vnb_sim_bridge.conditions import Conditions

pytestmark = pytest.mark.ros

DRIVERS = (HandDriverConfig, ArmDriverConfig, CameraDriverConfig, SupervisorConfig, DecisionConfig)
CONFIG = Path(__file__).resolve().parents[1] / "config"
OURS = ("start_type_description_service", "use_sim_time")


def test_files_and_descriptions_match_the_nodes() -> None:
    declared: dict[str, set[str]] = {}
    cameras = Conditions(pose_source="cameras")
    with composed_graph(GraphSettings(object_name="cube", belief="prior", conditions=cameras)) as graph:
        for name, node in graph.nodes.items():
            declared[name] = {p for p in node._parameters if p not in OURS}
            assert [p for p in declared[name] if not node.describe_parameter(p).description] == []
    assert set(declared) == {*MODULES, *CAMERA_MODULES, "conductor"}
    given = node_parameters(GraphSettings(checkpoint=Path("x.pt"), conditions=cameras))
    assert [(name, key) for name, values in given.items() for key in values if key not in declared[name]] == []
    everything = set().union(*declared.values(), *(parameter_descriptions(config) for config in DRIVERS))
    files = sorted(CONFIG.glob("*.yaml"))
    assert files
    for path in files:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert set(content) == {"/**"}, "a key for one node is ignored without a word when the node is renamed"
        assert set(content["/**"]["ros__parameters"]) <= everything, path.name


@pytest.mark.parametrize("config", DRIVERS)
def test_parameters_of_drivers_are_described(config: type) -> None:
    assert [name for name, text in parameter_descriptions(config).items() if not text] == []


def test_values_on_the_command_line_keep_their_type() -> None:
    assert ros_arguments({}) == []
    given = {"lockstep": False, "seed": 3, "belief": "prior"}
    assert ros_arguments(given) == ["--ros-args", "-p", "lockstep:=false", "-p", "seed:=3", "-p", "belief:=prior"]
