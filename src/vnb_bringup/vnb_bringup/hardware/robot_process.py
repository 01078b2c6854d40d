"""The emulated robot as a process of its own: nothing that a trial computes can make it miss its time."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection
from types import TracebackType

from rclpy.parameter import Parameter

from vnb_bringup.graph.composition import open_context
from vnb_bringup.hardware import children
from vnb_bringup.hardware.emulated import emulated_robot
from vnb_bringup.hardware.robot_node import EmulatedRobotNode
from vnb_bringup.hardware.roster import Connections
from vnb_grasp.errors import HardwareError
from vnb_grasp.nodes.run import spinning
from vnb_sim_bridge.render.film import Film, Filmer
from vnb_sim_bridge.render.observed import ObservedBridge
from vnb_sim_bridge.scenario import Scenario

_START_TIME = 180.0
_END_TIME = 120.0
"""Longest wait for the film [s]: a machine without graphics draws slowly."""


class RobotProcess:
    """Emulated hand and arm with one world behind them, for a ``with`` block.

    Signals from the terminal do not end it: the drivers' last frames still find their devices. It ends with the block,
    or with the process that started it.

    Args:
        scenario: First one.
        domain: ROS domain.
        film: Take pictures.
        cameras: Whether it has cameras, too; else a sensor says where the object is.
    """

    def __init__(self, scenario: Scenario, domain: int, *, film: bool = False, cameras: bool = False) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = children.start(_serve, scenario, domain, film, cameras, theirs)
        theirs.close()
        self._connections: Connections | None = None
        self._film: Film | None = None

    @property
    def connections(self) -> Connections:
        """Where drivers find the devices.

        Raises:
            HardwareError: If it did not start.
        """
        if self._connections is None:
            answer = self._receive(_START_TIME, "start")
            if not isinstance(answer, Connections):
                raise HardwareError(f"the emulated robot did not start: {answer}")
            self._connections = answer
        return self._connections

    def end(self) -> Film:
        """End it and return the film.

        Raises:
            HardwareError: If it has died.
        """
        if self._film is None:
            self._pipe.send("end")
            answer = self._receive(_END_TIME, "end")
            self._film = answer if isinstance(answer, Film) else Film({}, b"")
        return self._film

    def _receive(self, timeout: float, what: str) -> object:
        try:
            if self._pipe.poll(timeout):
                return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise HardwareError("the emulated robot has died; its messages above say why") from error
        raise HardwareError(f"the emulated robot did not {what} within {timeout:.0f} s")

    def __enter__(self) -> RobotProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()  # which ends it, if it has not ended
        self._process.join(10.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(scenario: Scenario, domain: int, film: bool, cameras: bool, pipe: Connection) -> None:
    """Run the robot until the other end says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    filmer = Filmer()
    try:
        bridge = ObservedBridge(scenario, observers=(filmer,) if film else ())
        source = Parameter("pose_source", value="cameras" if cameras else "sensor")
        with emulated_robot(bridge, cameras) as robot, open_context(domain) as context:
            node = EmulatedRobotNode(robot.plant, context=context, parameter_overrides=[source])
            try:
                with spinning(context, [node]):
                    pipe.send(robot.connections)
                    pipe.recv()
            finally:
                node.destroy_node()
        pipe.send(filmer.develop())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # whoever started it has gone
