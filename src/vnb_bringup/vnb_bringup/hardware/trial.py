"""Run a trial through the whole hardware graph, with emulated devices and a simulated world behind them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.conductor import TrialConductor
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.processes import stop_processes
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.hardware.container import container_command
from vnb_bringup.hardware.emulated import EMULATED_DEADLINES
from vnb_bringup.hardware.operator_node import START_TIMEOUT, OperatorNode
from vnb_bringup.hardware.robot_process import RobotProcess
from vnb_bringup.hardware.roster import PROCESSES, Connections, hardware_parameters
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_grasp.errors import ConfigError
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.render.film import Film
from vnb_sim_bridge.scenario import Scenario


def run_emulated_trial(
    scenario: Scenario,
    settings: TrialSettings,
    *,
    film: bool = False,
    on_step: Callable[[StepRecord], None] | None = None,
    on_phase: Callable[[str], None] | None = None,
    max_steps: int = 0,
) -> tuple[TrialRecord, Film]:
    """Run one trial; return its record, which carries the error if one ended it, and the film of it.

    The nodes are those that ``hardware.launch.py`` starts; the drivers reach the emulated devices, which are a process
    of their own, as they would reach real ones.

    Args:
        scenario: What is drawn.
        settings: Method, belief and the rest.
        film: Take pictures; the film is empty if not.
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
    with own_domain() as domain, RobotProcess(scenario, domain, film=film) as robot:
        with emulated_graph(graph, robot.connections, domain) as (conductor, operator):
            conductor.wait_for_servers(START_TIMEOUT)
            operator.activate()
            record = conductor.run(scenario, settings, on_step=on_step, on_phase=on_phase, max_steps=max_steps)
            operator.deactivate()
        return replace(record, versions={**record.versions, "robot": "emulated hardware"}), robot.end()


@contextmanager
def emulated_graph(
    settings: GraphSettings, connections: Connections, domain: int
) -> Iterator[tuple[TrialConductor, OperatorNode]]:
    """Yield conductor and operator of a running graph on emulated devices; at the end no process is left."""
    with ExitStack() as stack:
        stack.enter_context(hardware_processes(settings, connections, domain, EMULATED_DEADLINES))
        context = stack.enter_context(open_context(domain))
        nodes: list[VnbNode] = []
        try:
            conductor, operator = TrialConductor(settings, context=context), OperatorNode(context=context)
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
) -> Iterator[None]:
    """Run the hardware graph in a few processes; at the end none is left.

    Args:
        settings: Of the graph.
        connections: Of the devices.
        domain: ROS domain.
        more: Further parameters by node.
    """
    environment = dict(os.environ, ROS_DOMAIN_ID=str(domain), OMP_NUM_THREADS="1")
    parameters = hardware_parameters(settings, connections)
    for name, values in (more or {}).items():
        parameters[name].update(values)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for names in PROCESSES:
            processes.append(subprocess.Popen(container_command(names, parameters), env=environment))
        yield
    finally:
        stop_processes(processes)
