"""The nodes of the graph as processes of their own, without a launch system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.conductor import TrialConductor
from vnb_bringup.graph.roster import CAMERA_MODULES, MODULES, GraphSettings, node_parameters
from vnb_grasp.nodes.run import spinning

_STOP_TIME = 10.0


@contextmanager
def process_graph(settings: GraphSettings, domain: int) -> Iterator[TrialConductor]:
    """Start every node as a process, yield a conductor in this one; at the end no process is left.

    Args:
        settings: What the graph is made of.
        domain: ROS domain; nobody else may use it.
    """
    environment = dict(os.environ, ROS_DOMAIN_ID=str(domain), OMP_NUM_THREADS="1")
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, values in node_parameters(settings).items():
            module = {**MODULES, **CAMERA_MODULES}[name]
            named = ["--ros-args", "-r", f"__node:={name}"] if name in CAMERA_MODULES else []
            command = [sys.executable, "-m", module, *ros_arguments(values), *named]
            processes.append(subprocess.Popen(command, env=environment))
        with open_context(domain) as context:
            conductor = TrialConductor(settings, context=context)
            try:
                with spinning(context, [conductor]):
                    yield conductor
            finally:
                conductor.destroy_node()
    finally:
        stop_processes(processes)


def ros_arguments(parameters: dict[str, Any]) -> list[str]:
    """Return the command-line arguments that set parameters."""
    if not parameters:
        return []
    arguments = ["--ros-args"]
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        arguments += ["-p", f"{name}:={text}"]
    return arguments


def stop_processes(processes: list[subprocess.Popen[bytes]]) -> None:
    """Interrupt processes, and kill those that do not end within ten seconds."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(_STOP_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
