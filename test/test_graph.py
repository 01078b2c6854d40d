"""The node graph: same trial as without middleware, truth kept apart, every failure a code and a hold."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSCompatibility, qos_check_compatible
from vnb_msgs.action import ExecuteGrasp, MoveArm, MoveHand, StressTest
from vnb_msgs.msg import ErrorCode, HandCommand
from vnb_msgs.srv import ApplyWrench, BeginGrasp, ResetWorld, SetObject, SetPause, StepSimulation

from vnb_bringup.graph.composition import Graph
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.processes import process_graph
from vnb_bringup.graph.testing import (
    GRAPH,
    MAX_STEPS,
    OBJECT,
    SETTINGS,
    Client,
    assert_same_trial,
    call,
    graph,
    reference,
    scenario,
    until,
)
from vnb_bringup.report.record import TrialRecord
from vnb_grasp.frames.pose import Pose
from vnb_grasp.nodes import qos
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.sensors.frame import SensorFrame

pytestmark = pytest.mark.ros

CONTROL_CHAIN = ("tactile_quality", "observation", "belief", "planner")


@pytest.fixture(scope="module")
def expected() -> TrialRecord:
    return reference()


@pytest.fixture(scope="module")
def composed() -> Iterator[Graph]:
    with graph() as running:
        yield running


def grasp_goal(method: str = "random", **values: Any) -> ExecuteGrasp.Goal:
    goal = ExecuteGrasp.Goal(method=method, object_name=OBJECT, beta=0.9)
    goal.epsilon_target = goal.p_fail_limit = math.nan
    for name, value in values.items():
        setattr(goal, name, value)
    return goal


def targets(running: Graph) -> np.ndarray:
    bridge = running.nodes["sim_bridge"]
    return np.array(bridge.in_world(lambda: bridge.bridge.world.hand_target.copy()))


# --- the same trial -------------------------------------------------------------------------------------------------


def test_composed_trial_is_the_one_without_middleware(composed: Graph, expected: TrialRecord) -> None:
    phases: list[str] = []
    record = composed.conductor.run(scenario(), SETTINGS, max_steps=MAX_STEPS, on_phase=phases.append)
    assert_same_trial(record, expected)
    assert phases == ["approach", "closing", "lift", "tests"]
    assert len({step.action for step in record.steps}) > 2  # the planner moved, so the agreement says something


def test_a_trial_leaves_nothing_that_changes_the_next(composed: Graph, expected: TrialRecord) -> None:
    composed.conductor.run(replace(scenario(), seed=5), SETTINGS, max_steps=2)
    assert_same_trial(composed.conductor.run(scenario(), SETTINGS, max_steps=MAX_STEPS), expected)


def test_trial_over_separate_processes_is_the_same(expected: TrialRecord) -> None:
    with own_domain() as domain, process_graph(GRAPH, domain) as conductor:
        record = conductor.run(scenario(), SETTINGS, max_steps=MAX_STEPS)
    assert_same_trial(record, expected)


def test_with_the_wall_clock_a_trial_runs_too() -> None:
    with graph(settings=replace(GRAPH, lockstep=False)) as running:
        settings = replace(SETTINGS, method="scripted")
        record = running.conductor.run(scenario(), settings, max_steps=3)
    assert (record.error_code, record.error_message) == (0, "")
    assert record.stop_reason == "step_limit"
    assert record.verdict is not None


def test_a_closing_whose_steps_were_lost_is_not_judged(composed: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed.conductor._recorder, "stop", lambda expected, timeout: ())
    record = composed.conductor.run(scenario(), SETTINGS, max_steps=2)
    assert record.error_code == ErrorCode.TIMEOUT
    assert "ended with step 2, recorded is none" in record.error_message
    assert (record.steps, record.verdict) == ((), None)


# --- who may know what ----------------------------------------------------------------------------------------------


def test_only_the_recorder_reads_the_truth(composed: Graph) -> None:
    readers = composed.conductor.get_subscriptions_info_by_topic("/ground_truth")
    assert [reader.node_name for reader in readers] == ["conductor"]
    written = {name for name, _ in composed.conductor.get_publisher_names_and_types_by_node("conductor", "/")}

    def walk() -> set[str]:
        nodes = (composed.conductor.get_subscriber_names_and_types_by_node(name, "/") for name in CONTROL_CHAIN)
        return {topic for topics in nodes for topic, _ in topics}

    # Nodes of one process learn of each other over the middleware, which takes a moment.
    until(lambda: walk() >= {"/observation", "/belief", "/grasp_quality", "/hand/command"}, "the walk to see the chain")
    heard = walk()
    assert not heard & written  # so that the recorder cannot pass on what it reads
    assert "/ground_truth" not in heard


def test_every_publisher_reaches_its_subscribers(composed: Graph) -> None:
    pairs = 0
    for topic, _ in composed.conductor.get_topic_names_and_types():
        for publisher in composed.conductor.get_publishers_info_by_topic(topic):
            for subscriber in composed.conductor.get_subscriptions_info_by_topic(topic):
                found, why = qos_check_compatible(publisher.qos_profile, subscriber.qos_profile)
                assert found == QoSCompatibility.OK, f"{topic}: {why}"
                pairs += 1
    assert pairs >= 15


# --- failures -------------------------------------------------------------------------------------------------------


class BlindBridge(SimBridge):
    """Loses the object's pose at step 2."""

    def decide(self, step: int, velocity: Any, effort_limit: Any = None, lift_speed: float = 0.0) -> SensorFrame:
        frame = super().decide(step, velocity, effort_limit, lift_speed)
        return replace(frame, object_pose=Pose.unknown()) if frame.step == 2 else frame


def test_nan_in_an_observation_ends_in_its_code_and_a_hold() -> None:
    reports: list[str] = []
    with graph(make_bridge=BlindBridge) as running:
        running.conductor.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: reports.extend(s.name for s in m.status), qos.CHAIN
        )
        grasp = Client(running, ExecuteGrasp, "execute_grasp")
        grasp.send(grasp_goal())
        status, result = grasp.result()
        before = targets(running)
        until(lambda: {"/observation", "/belief", "/planner"} <= set(reports), "diagnostics of the whole chain")
        np.testing.assert_array_equal(targets(running), before)
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, ErrorCode.NON_FINITE)
    assert "step 2" in result.error_message
    assert grasp.feedback[-1].status.error_code == ErrorCode.NON_FINITE
    assert (result.steps, result.stop_reason) == (2, "")


def test_decisions_over_their_deadline_end_the_grasp() -> None:
    with graph(parameters={"planner": {"deadline_misses": 3}}) as running:
        grasp = Client(running, ExecuteGrasp, "execute_grasp")
        grasp.send(grasp_goal("vnb", deadline=1e-6))
        status, result = grasp.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, ErrorCode.DEADLINE)
    late = [m.status for m in grasp.feedback if not m.status.deadline_met]
    assert [s.error_code for s in late] == [ErrorCode.DEADLINE] * 3
    assert result.steps == 2


def test_without_readings_the_planner_times_out() -> None:
    with graph(parameters={"planner": {"data_timeout": 0.3}}) as running:
        assert call(running, SetPause, "sim_bridge/pause", SetPause.Request(paused=True)).error_code == 0
        grasp = Client(running, ExecuteGrasp, "execute_grasp")
        grasp.send(grasp_goal())
        status, result = grasp.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, ErrorCode.TIMEOUT)
    assert "belief of step 1" in result.error_message


def test_cancel_in_mid_grasp_holds(composed: Graph) -> None:
    grasp = Client(composed, ExecuteGrasp, "execute_grasp")
    grasp.send(grasp_goal())
    until(lambda: len(grasp.feedback) >= 3, "the third step")
    grasp.cancel()
    status, result = grasp.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_CANCELED, ErrorCode.CANCELED)
    assert grasp.feedback[-1].status.phase == grasp.feedback[-1].status.HOLD
    bridge = composed.nodes["sim_bridge"].bridge
    until(lambda: bridge.step == result.steps + 1, "the hold to be carried out")
    held = targets(composed)
    assert np.abs(held).max() > 0.01  # the fingers had moved
    composed.nodes["sim_bridge"].in_world(bridge.settle, 0.4)
    np.testing.assert_array_equal(targets(composed), held)
    assert np.abs(bridge.world.hand_qd()).max() < 0.05


def test_one_grasp_at_a_time(composed: Graph) -> None:
    first, second = (Client(composed, ExecuteGrasp, "execute_grasp") for _ in range(2))
    first.send(grasp_goal())
    until(lambda: len(first.feedback) >= 1, "the first step")
    second.send(grasp_goal())
    status, result = second.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, ErrorCode.REJECTED)
    first.cancel()
    assert first.result()[1].error_code == ErrorCode.CANCELED


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        ({"method": "magic"}, ErrorCode.UNKNOWN_NAME, ("magic", "vnb", "scripted", "noop", "random")),
        ({"object_name": "moon"}, ErrorCode.UNKNOWN_NAME, ("moon", "cube", "mustard_bottle")),
        ({"beta": 1.0}, ErrorCode.CONFIG, ("beta", "1.0")),
        ({"deadline": -1.0}, ErrorCode.CONFIG, ("deadline",)),
    ],
)
def test_a_goal_that_makes_no_sense_is_answered_with_what_would(
    composed: Graph, values: dict[str, Any], code: int, words: tuple[str, ...]
) -> None:
    grasp = Client(composed, ExecuteGrasp, "execute_grasp")
    grasp.send(grasp_goal(**values))
    status, result = grasp.result()
    assert (status, result.error_code, result.steps) == (GoalStatus.STATUS_ABORTED, code, 0)
    assert all(word in result.error_message for word in words)


def test_a_trial_that_fails_in_the_graph_says_so_in_its_record(composed: Graph) -> None:
    record = composed.conductor.run(scenario(), replace(SETTINGS, method="magic"))
    assert record.error_code == ErrorCode.UNKNOWN_NAME
    assert "scripted" in record.error_message
    assert (record.steps, record.verdict, record.stop_reason) == ((), None, "")


# --- the robot's servers --------------------------------------------------------------------------------------------


def test_motions_can_be_canceled_and_refuse_company(composed: Graph) -> None:
    composed.conductor.reset(scenario())
    home = composed.nodes["sim_bridge"].bridge.world.arm_q()
    move, other = Client(composed, MoveArm, "arm/move"), Client(composed, MoveHand, "hand/move")
    goal = MoveArm.Goal(kind=MoveArm.Goal.JOINT, positions=(home + 0.4).tolist(), speed_scale=0.02)
    move.send(goal)
    until(lambda: len(move.feedback) >= 2, "progress of the arm")
    other.send(MoveHand.Goal(positions=[0.1] * 6, duration=0.2))
    assert other.result()[1].error_code == ErrorCode.REJECTED
    move.cancel()
    status, result = move.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_CANCELED, ErrorCode.CANCELED)
    assert 0 < move.feedback[-1].progress < 1
    np.testing.assert_array_less(np.array(result.final_positions), home + 0.4 - 1e-3)


@pytest.mark.parametrize(
    ("goal", "code"),
    [
        (MoveArm.Goal(kind=7, speed_scale=0.5), ErrorCode.CONFIG),
        (MoveArm.Goal(positions=[0.0] * 5, speed_scale=0.5), ErrorCode.SHAPE),
        (MoveArm.Goal(positions=[9.0] * 6, speed_scale=0.5), ErrorCode.CONFIG),
        (MoveArm.Goal(positions=[math.nan] * 6, speed_scale=0.5), ErrorCode.CONFIG),
        (MoveArm.Goal(positions=[0.0] * 6, speed_scale=2.0), ErrorCode.MOTION),
    ],
)
def test_an_arm_goal_that_cannot_be_is_refused(composed: Graph, goal: MoveArm.Goal, code: int) -> None:
    move = Client(composed, MoveArm, "arm/move")
    move.send(goal)
    status, result = move.result()
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, code), result.error_message


def test_stress_test_of_an_empty_hand_says_so(composed: Graph) -> None:
    composed.conductor.reset(scenario())
    stress = Client(composed, StressTest, "stress_test")
    stress.send(StressTest.Goal(nominal=True, battery=True))
    _, result = stress.result()
    assert (result.error_code, result.lifted, result.failure_mode) == (0, False, "grasp")


def test_services_change_the_world_or_say_why_not(composed: Graph) -> None:
    composed.conductor.reset(scenario())
    world = composed.nodes["sim_bridge"].bridge.world
    request = SetObject.Request(object_name=OBJECT)
    request.pose.position.x, request.pose.position.y, request.pose.position.z = -0.05, 0.88, 0.9
    assert call(composed, SetObject, "sim_bridge/set_object", request).error_code == 0
    np.testing.assert_allclose(world.object_pose()[:3, 3], [-0.05, 0.88, 0.9], atol=1e-12)
    push = ApplyWrench.Request(duration=0.04)
    push.wrench.force.x = 2.0
    assert call(composed, ApplyWrench, "sim_bridge/apply_wrench", push).error_code == 0
    start = world.time
    assert call(composed, StepSimulation, "sim_bridge/step", StepSimulation.Request(steps=2)).error_code == 0
    assert world.time == pytest.approx(start + 0.08)
    np.testing.assert_allclose(world.object_twist()[0] * world.object_mass(), 2.0 * 0.04, rtol=1e-6)
    for kind, name, bad, code in (
        (SetObject, "set_object", SetObject.Request(object_name="moon"), ErrorCode.UNKNOWN_NAME),
        (ApplyWrench, "apply_wrench", ApplyWrench.Request(body="moon", duration=1.0), ErrorCode.UNKNOWN_NAME),
        (ApplyWrench, "apply_wrench", ApplyWrench.Request(duration=math.nan), ErrorCode.CONFIG),
        (ApplyWrench, "apply_wrench", ApplyWrench.Request(duration=0.0), ErrorCode.CONFIG),
        (StepSimulation, "step", StepSimulation.Request(steps=0), ErrorCode.CONFIG),
        (ResetWorld, "reset", ResetWorld.Request(object_name="moon", regime="wide"), ErrorCode.UNKNOWN_NAME),
        (ResetWorld, "reset", ResetWorld.Request(object_name=OBJECT, regime="icy"), ErrorCode.UNKNOWN_NAME),
    ):
        answer = call(composed, kind, f"sim_bridge/{name}", bad)
        assert answer.error_code == code, answer.error_message
        assert answer.error_message


def test_a_command_of_another_step_is_ignored(composed: Graph) -> None:
    composed.conductor.reset(scenario())
    assert call(composed, BeginGrasp, "begin_grasp", BeginGrasp.Request()).error_code == 0
    bridge = composed.nodes["sim_bridge"].bridge
    reports: list[str] = []
    composed.conductor.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: reports.extend(s.message for s in m.status), qos.CHAIN
    )
    out = composed.conductor.create_publisher(HandCommand, "hand/command", qos.COMMAND)
    until(lambda: out.get_subscription_count() >= 2, "bridge and belief to hear the test")
    before = bridge.world.time
    out.publish(HandCommand(step=7, velocity=[0.5] * 6))
    until(lambda: any("waits for step 0" in text for text in reports), "a diagnostic")
    assert bridge.world.time == before
    out.publish(HandCommand(step=0, velocity=[0.5] * 6))
    until(lambda: bridge.step == 1, "the command of step 0")
    assert bridge.world.time == pytest.approx(before + bridge.parameters.decision_period)
    composed.conductor.destroy_publisher(out)


# --- the end --------------------------------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in a shell's background
from vnb_bringup.graph.testing import GRAPH, SETTINGS, scenario
from vnb_bringup.graph.{module} import {name}
try:
    with {enter} as running:
        conductor = getattr(running, "conductor", running)
        conductor.run(scenario(), SETTINGS, on_phase=lambda p: print("phase", p, flush=True),
                      on_step=lambda s: print("step", s.step, flush=True))
except KeyboardInterrupt:
    sys.exit(130)
"""
COMPOSED = {"module": "composition", "name": "composed_graph", "enter": "composed_graph(GRAPH)"}
PROCESSES = {"module": "processes", "name": "process_graph", "enter": "process_graph(GRAPH, int(os.environ['DOMAIN']))"}


def children(pid: int) -> set[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for file in files for child in file.read_text().split()}


@pytest.mark.parametrize(
    ("graph_kind", "moment"),
    [(COMPOSED, "phase approach"), (COMPOSED, "step 3"), (PROCESSES, "step 1")],
    ids=["composed-approach", "composed-closing", "processes-closing"],
)
def test_an_interrupt_leaves_no_process_and_no_traceback(graph_kind: dict[str, str], moment: str) -> None:
    script = SCRIPT.format(**graph_kind)
    with own_domain() as domain:
        environment = dict(os.environ, ROS_DOMAIN_ID=str(domain), DOMAIN=str(domain))
        process = subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(moment):
                break
        started = children(process.pid)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "never retrieved" not in errors
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert len(started) == (5 if graph_kind is PROCESSES else 0)
