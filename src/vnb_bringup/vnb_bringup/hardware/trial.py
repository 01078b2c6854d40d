"""Run a trial through the whole hardware graph, with emulated devices and a simulated world behind them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.conductor import TrialConductor
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.processes import ros_arguments, stop_processes
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.hardware.emulated import EMULATED_DEADLINES, EmulatedRobot, emulated_robot
from vnb_bringup.hardware.operator_node import OperatorNode
from vnb_bringup.hardware.robot_node import EmulatedRobotNode
from vnb_bringup.hardware.roster import NODES, Connections, hardware_parameters
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_grasp.errors import ConfigError
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.render.observed import ObservedBridge, Observer
from vnb_sim_bridge.scenario import Scenario


def run_emulated_trial(
    scenario: Scenario,
    settings: TrialSettings,
    *,
    observers: Sequence[Observer] = (),
    on_step: Callable[[StepRecord], None] | None = None,
    on_phase: Callable[[str], None] | None = None,
    max_steps: int = 0,
) -> TrialRecord:
    """Run one trial and return its record, which carries the error if one ended it.

    Every node of the hardware graph is a process, as ``hardware.launch.py`` starts it; the drivers reach the emulated
    devices as they would reach real ones.

    Args:
        scenario: What is drawn.
        settings: Method, belief and the rest.
        observers: Who watches the world (a film, say); called in the world's thread.
        on_step: Called after every decision.
        on_phase: Called with ``approach``, ``closing``, ``lift`` and ``tests`` as each begins.
        max_steps: Decision steps at most; 0 leaves it to the method.

    Raises:
        ConfigError: If the conditions are not the ordinary ones.
        VnbError: If a driver does not come up.
    """
    if settings.conditions != Conditions():
        raise ConfigError(f"emulated hardware has ordinary conditions, got {settings.conditions}; use the simulator")
    graph = GraphSettings(scenario.object_name, scenario.hand, settings.belief, settings.checkpoint, lockstep=False)
    bridge = ObservedBridge(scenario, observers=tuple(observers))
    with emulated_robot(bridge) as robot, emulated_graph(graph, robot) as (conductor, operator):
        conductor.wait_for_servers()
        operator.activate()
        record = conductor.run(scenario, settings, on_step=on_step, on_phase=on_phase, max_steps=max_steps)
        operator.deactivate()
        return record


@contextmanager
def emulated_graph(settings: GraphSettings, robot: EmulatedRobot) -> Iterator[tuple[TrialConductor, OperatorNode]]:
    """Yield conductor and operator of a running graph on emulated devices; at the end no process is left."""
    with ExitStack() as stack:
        domain = stack.enter_context(own_domain())
        stack.enter_context(hardware_processes(settings, robot.connections, domain, EMULATED_DEADLINES))
        context = stack.enter_context(open_context(domain))
        nodes: list[VnbNode] = []
        try:
            nodes.append(EmulatedRobotNode(robot.plant, context=context))
            conductor = TrialConductor(settings, context=context)
            operator = OperatorNode(context=context)
            nodes += [conductor, operator]
            with spinning(context, nodes):
                yield conductor, operator
        finally:
            for node in nodes:
                node.close()
                node.destroy_node()


@contextmanager
def hardware_processes(
    settings: GraphSettings,
    connections: Connections,
    domain: int,
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run every node of the hardware graph as a process; at the end none is left.

    Args:
        settings: Of the graph.
        connections: Of the devices.
        domain: ROS domain.
        more: Further parameters by node.
    """
    environment = dict(os.environ, ROS_DOMAIN_ID=str(domain), OMP_NUM_THREADS="1")
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, values in hardware_parameters(settings, connections).items():
            remaps = [part for pair in NODES[name].remappings.items() for part in ("-r", ":=".join(pair))]
            arguments = ros_arguments({**values, **(more or {}).get(name, {})}) or ["--ros-args"]
            command = [sys.executable, "-m", NODES[name].module, *arguments, *remaps]
            processes[name] = subprocess.Popen(command, env=environment)
        yield processes
    finally:
        stop_processes(list(processes.values()))
