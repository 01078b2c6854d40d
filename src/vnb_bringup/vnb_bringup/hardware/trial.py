"""Run a trial through the whole hardware graph, with emulated devices and a simulated world behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.context import ForkServerProcess
from typing import Any, TypeVar

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.conductor import TrialConductor
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.hardware import children
from vnb_bringup.hardware.container import run_in_child
from vnb_bringup.hardware.emulated import EMULATED_DEADLINES
from vnb_bringup.hardware.operator_node import START_TIMEOUT, OperatorNode
from vnb_bringup.hardware.protocol import HardwareTrial
from vnb_bringup.hardware.robot_process import RobotProcess
from vnb_bringup.hardware.roster import CAMERA_PROCESSES, PROCESSES, Connections, hardware_parameters
from vnb_bringup.hardware.trial_conductor import HardwareConductor
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_grasp.errors import ConfigError
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.render.film import Film
from vnb_sim_bridge.scenario import Scenario, draw_scenario

C = TypeVar("C", bound=TrialConductor)


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
        settings: Method, belief and the rest; the pose is the cameras' or a sensor's, as the conditions say.
        film: Take pictures; the film is empty if not.
        on_step: Called after every decision.
        on_phase: Called with ``approach``, ``closing``, ``lift`` and ``tests`` as each begins.
        max_steps: Decision steps at most; 0 leaves it to the method.

    Raises:
        ConfigError: If the conditions are not the ordinary ones, but for the source of poses.
        VnbError: If a driver does not come up.
    """
    graph, cameras = _graph_of(scenario, settings)
    with own_domain() as domain, RobotProcess(scenario, domain, film=film, cameras=cameras) as robot:
        make = partial(TrialConductor, graph)
        with emulated_graph(graph, robot.connections, domain, make) as (conductor, operator):
            conductor.wait_for_servers(START_TIMEOUT)
            operator.activate()
            conductor.wait_for_readings(START_TIMEOUT)
            record = conductor.run(scenario, settings, on_step=on_step, on_phase=on_phase, max_steps=max_steps)
            operator.deactivate()
        return replace(record, versions={**record.versions, "robot": "emulated hardware"}), robot.end()


def _graph_of(scenario: Scenario, settings: TrialSettings) -> tuple[GraphSettings, bool]:
    """Return the settings of the graph, and whether cameras see the object; raises :class:`ConfigError`."""
    if replace(settings.conditions, pose_source="sensor") != Conditions():
        raise ConfigError(f"emulated hardware has ordinary conditions, got {settings.conditions}; use the simulator")
    graph = GraphSettings(
        scenario.object_name,
        scenario.hand,
        settings.belief,
        settings.checkpoint,
        lockstep=False,
        conditions=settings.conditions,
    )
    return graph, settings.conditions.pose_source == "cameras"


def run_emulated_hardware_trials(
    trials: Sequence[HardwareTrial],
    settings: TrialSettings,
    seed: int,
    *,
    on_phase: Callable[[str], None] = lambda name: None,
) -> Iterator[HardwareTrial]:
    """Yield hardware trials of one object as each ends, run on emulated devices.

    Args:
        trials: What to run; the object stands at each one's offset.
        settings: Method, belief and the rest.
        seed: Of the scenario's friction and of the pose sensor.
        on_phase: Called with the name of each part of a trial as it begins.
    """
    drawn = draw_scenario(trials[0].object_name, "nominal", seed)
    graph, cameras = _graph_of(drawn, settings)
    with own_domain() as domain, RobotProcess(drawn, domain, cameras=cameras) as robot:
        make = partial(HardwareConductor, graph)
        with emulated_graph(graph, robot.connections, domain, make) as (conductor, operator):
            conductor.wait_for_servers(START_TIMEOUT)
            operator.activate()
            conductor.wait_for_readings(START_TIMEOUT)
            for trial in trials:
                x, y = (1e-3 * value for value in trial.offset)
                conductor.reset(replace(drawn, object_x=drawn.object_x + x, object_y=drawn.object_y + y))
                yield conductor.run_hardware(trial, settings, on_phase)
            operator.deactivate()


@contextmanager
def emulated_graph(
    settings: GraphSettings,
    connections: Connections,
    domain: int,
    make_conductor: Callable[..., C],
) -> Iterator[tuple[C, OperatorNode]]:
    """Yield conductor and operator of a running graph on emulated devices; at the end no process is left."""
    with ExitStack() as stack:
        stack.enter_context(hardware_processes(settings, connections, domain, EMULATED_DEADLINES))
        yield stack.enter_context(conducting(make_conductor, domain))


@contextmanager
def conducting(make_conductor: Callable[..., C], domain: int) -> Iterator[tuple[C, OperatorNode]]:
    """Yield a conductor and an operator that run in this process."""
    with open_context(domain) as context:
        nodes: list[VnbNode] = []
        try:
            conductor, operator = make_conductor(context=context), OperatorNode(context=context)
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
    parameters = hardware_parameters(settings, connections)
    for name, values in parameters.items():
        values.update((more or {}).get(name, {}))
    processes: list[ForkServerProcess] = []
    try:
        for names in PROCESSES + (CAMERA_PROCESSES if connections.cameras.source == "drivers" else ()):
            processes.append(children.start(run_in_child, names, parameters, domain))
        yield
    finally:
        children.stop(processes)
