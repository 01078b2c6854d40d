"""The hardware graph: its roster, and one whole trial against emulated devices."""

from __future__ import annotations

import json
import math

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from vnb_belief.nodes.belief_node import BeliefConfig
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.hardware.container import container_command, node_class
from vnb_bringup.hardware.emulated import EMULATED_DEADLINES
from vnb_bringup.hardware.roster import (
    CAMERA_DRIVERS,
    CAMERA_NODES,
    CAMERA_PROCESSES,
    DRIVERS,
    NODES,
    PROCESSES,
    CameraConnections,
    Connections,
    emulated_cameras,
    hardware_nodes,
    hardware_parameters,
)
from vnb_bringup.hardware.trial import run_emulated_trial
from vnb_bringup.report.json_report import result_json, schema
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.testing import complaints
from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_grasp.nodes.parameters import parameter_descriptions
from vnb_hardware.nodes.arm_driver_node import ArmDriverConfig
from vnb_hardware.nodes.camera_driver_node import CameraDriverConfig
from vnb_hardware.nodes.decision_node import DecisionConfig
from vnb_hardware.nodes.hand_driver_node import HandDriverConfig
from vnb_hardware.nodes.supervisor_node import SupervisorConfig
from vnb_perception.nodes.pose_estimator_node import PoseEstimatorConfig
from vnb_perception.nodes.pose_fusion_node import PoseFusionConfig
from vnb_planner.nodes.planner_node import PlannerNodeConfig
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.scenario import draw_scenario

pytestmark = pytest.mark.ros

CONFIGS = {
    "hand_driver": HandDriverConfig,
    "arm_driver": ArmDriverConfig,
    "supervisor": SupervisorConfig,
    "decision": DecisionConfig,
    "planner": PlannerNodeConfig,
    "belief": BeliefConfig,
    "astra_driver": CameraDriverConfig,
    "d435i_driver": CameraDriverConfig,
    "astra_pose_estimator": PoseEstimatorConfig,
    "d435i_pose_estimator": PoseEstimatorConfig,
    "pose_fusion": PoseFusionConfig,
}
WITH_CAMERAS = Connections(cameras=emulated_cameras("127.0.0.1:20050"))
SETTINGS = TrialSettings("scripted", "prior", battery=False)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_that_is_given_exists(name: str) -> None:
    given = set(hardware_parameters(GraphSettings(), WITH_CAMERAS)[name]) | set(EMULATED_DEADLINES.get(name, {}))
    assert given <= set(parameter_descriptions(CONFIGS[name]))


def test_every_node_runs_in_one_process_and_can_be_imported() -> None:
    running = [name for names in PROCESSES for name in names]
    assert sorted(running) == sorted(NODES) and set(DRIVERS) <= set(NODES)
    assert {node_class(name).__name__ for name in NODES} == {node.node for node in NODES.values()}
    seeing = [name for names in CAMERA_PROCESSES for name in names]
    assert sorted(seeing) == sorted(CAMERA_NODES)
    for name, node in CAMERA_NODES.items():
        given = getattr(node_class(name), "keywords", {})
        assert given == ({"node_name": name} if node.shared else {})
    with pytest.raises(UnknownNameError, match="belief"):
        node_class("camera")


@pytest.mark.parametrize(
    ("source", "left_out"),
    [("none", set(CAMERA_NODES)), ("drivers", set()), ("nodes", set(CAMERA_DRIVERS))],
)
def test_which_nodes_cameras_need(source: str, left_out: set[str]) -> None:
    connections = Connections(cameras=CameraConnections(source))
    assert set(hardware_nodes(connections)) == (set(NODES) | set(CAMERA_NODES)) - left_out
    assert set(hardware_nodes(connections)) == set(hardware_parameters(GraphSettings(), connections))


def test_unknown_sources_of_images() -> None:
    with pytest.raises(ConfigError, match="none, drivers, nodes"):
        CameraConnections("usb")


def test_a_container_passes_remappings_and_parameters_to_its_nodes() -> None:
    command = container_command(("supervisor", "decision"), {"decision": {"max_age": 0.5, "use_sim_time": False}})
    text = " ".join(command)
    assert "-m vnb_bringup.hardware.container supervisor decision --ros-args" in text
    assert "-r supervisor:hand/tactile:=hand/driver/tactile" in text
    assert "-p decision:max_age:=0.5 -p decision:use_sim_time:=false" in text


def test_other_conditions_are_refused() -> None:
    settings = TrialSettings("scripted", "prior", battery=False, conditions=Conditions(latency=2))
    with pytest.raises(ConfigError, match="ordinary conditions"):
        run_emulated_trial(draw_scenario("cube", "nominal", 1), settings)


@pytest.mark.slow
def test_a_trial_through_drivers_and_emulated_devices_ends_in_the_same_kind_of_report() -> None:
    phases: list[str] = []
    record, film = run_emulated_trial(
        draw_scenario("cube", "nominal", 1), SETTINGS, on_phase=phases.append, max_steps=6
    )
    assert (record.error_code, record.error_message) == (0, "")
    assert phases == ["approach", "closing", "lift", "tests"]
    assert [step.step for step in record.steps] == list(range(len(record.steps)))
    assert all(math.isfinite(value) for step in record.steps for value in step.force_sensed)
    assert record.verdict is not None and record.versions["robot"] == "emulated hardware"
    assert complaints(json.loads(result_json(record)), schema()) == []
    assert film.gif == b""
