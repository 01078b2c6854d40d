"""Interrupt hand and arm driver at random moments: the final frames must be on both wires, and no process left.

Usage, with ROS and the packages on the path:
``python benchmarks/hardware_signals.py [--runs 50] [--seed 0] [--forked]``

``--forked`` forks the drivers' process from one that has imported everything, as ``./vnb trial --hardware emulated``
does; otherwise each run starts an interpreter, as a launch file does, which takes most of the run's time.

Each run starts the drivers' process against emulated devices, activates it, moves fingers and arm, and sends SIGINT,
SIGTERM or SIGHUP at a random moment, from while it starts to well into the motion. Then it must end by itself within
30 s (``--patience``; a machine that is busy with other work needs more), with status 0, and have left, if it ever
commanded anything:

- to the hand one position, twice, 10 ms apart, and nothing after it,
- to the arm a stop, with no motion after it.

Prints a line per run; exits with 1 if any run failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import rclpy
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from vnb_msgs.action import MoveArm
from vnb_msgs.msg import HandCommand

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.hardware import children
from vnb_bringup.hardware.container import container_command, run_in_child
from vnb_bringup.hardware.emulated import EMULATED_DEADLINES
from vnb_grasp.description import load_arm
from vnb_hardware.emulators.arm.emulator import ArmEmulator
from vnb_hardware.emulators.arm.testing import MOTIONS
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.server import HandServer, SlcanPort
from vnb_hardware.hand.frames import FrameType

DRIVERS = ("hand_driver", "arm_driver")
CLOSING = [0.0, 0.2, 0.4, 0.4, 0.4, 0.4]
_AGAIN = 3.0
READY_TIME = 300.0
_PAIR = 0.015
"""The final frames come 10 ms apart, those of the stream 20 ms [s]."""


class Mover:
    """Commands fingers and arm, as planner and conductor do."""

    def __init__(self, context: Context) -> None:
        self.node = rclpy.create_node("mover", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._fingers = self.node.create_publisher(HandCommand, "hand/command", 1)
        self._arm = ActionClient(self.node, MoveArm, "arm/move")
        self._sent = 0.0

    def go_on(self, goal: list[float]) -> None:
        """Move everything on for a moment."""
        message = HandCommand(mode=HandCommand.VELOCITY, velocity=CLOSING)
        message.header.stamp = self.node.get_clock().now().to_msg()
        self._fingers.publish(message)
        now = time.monotonic()
        if now - self._sent > _AGAIN and self._arm.server_is_ready():  # goals before the activation are refused
            self._arm.send_goal_async(MoveArm.Goal(kind=MoveArm.Goal.JOINT, positions=goal, speed_scale=0.1))
            self._sent = now
        self._executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._arm.destroy()
        self.node.destroy_node()


class DriverProcess(Protocol):
    """The process of both drivers, however it was started."""

    pid: int

    def status(self, timeout: float) -> int | None:
        """Return its exit status, None if it has not ended within ``timeout`` [s]."""


class Started:
    """A process of an interpreter of its own."""

    def __init__(self, parameters: dict[str, dict[str, object]], domain: int) -> None:
        environment = dict(os.environ, ROS_DOMAIN_ID=str(domain), OMP_NUM_THREADS="1")
        command = container_command(DRIVERS, parameters)
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        self.pid = self._process.pid

    def status(self, timeout: float) -> int | None:
        """See :class:`DriverProcess`."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Leave nothing."""
        self._process.kill()
        self._process.communicate()


class Forked:
    """A process that was forked from one that has imported everything."""

    def __init__(self, parameters: dict[str, dict[str, object]], domain: int) -> None:
        self._process = children.start(run_in_child, DRIVERS, parameters, domain)
        self.pid = self._process.pid or 0

    def status(self, timeout: float) -> int | None:
        """See :class:`DriverProcess`."""
        self._process.join(timeout)
        return self._process.exitcode

    def close(self) -> None:
        """Leave nothing."""
        self._process.kill()
        self._process.join()


@contextmanager
def drivers(hand_path: str, arm: ArmEmulator, domain: int, forked: bool) -> Iterator[DriverProcess]:
    """Run both drivers as one process."""
    calls, stream, _, text = arm.ports
    own: dict[str, dict[str, object]] = {
        "hand_driver": {"bus.interface": "slcan", "bus.channel": hand_path, "supervisor_timeout": 0.0},
        "arm_driver": {
            "driver.rpc_port": calls,
            "driver.stream_port": stream,
            "driver.text_port": text,
            "supervisor_timeout": 0.0,
        },
    }
    given = {name: {**EMULATED_DEADLINES[name], **own[name], "autostart": "activate"} for name in DRIVERS}
    process = (Forked if forked else Started)(given, domain)
    try:
        yield process
    finally:
        process.close()


def run_once(rng: np.random.Generator, number: signal.Signals, domain: int, forked: bool, patience: float) -> str:
    """Run once; return what went wrong, empty if nothing did."""
    start = np.array(load_arm("fr3").ready)
    hand, port = EmulatedHand(), SlcanPort()
    early, wait = rng.random() < 0.2, float(rng.uniform(0.0, 2.0))
    with (
        HandServer(hand, port),
        ArmEmulator(ports=(0, 0, 0, 0), start=start) as arm,
        open_context(domain) as context,
        drivers(port.path, arm, domain, forked) as process,
    ):
        mover = Mover(context)
        try:
            due = time.monotonic() + (wait if early else READY_TIME)
            while time.monotonic() < due and process.status(0.0) is None:
                mover.go_on((start + 0.4).tolist())
                if not early and np.abs(arm.model.velocity).max() > 0.02:
                    early, due = True, time.monotonic() + wait
        finally:
            mover.close()
        if not early:
            return f"the arm did not move within {READY_TIME:.0f} s"
        if process.status(0.0) is not None:
            return "it ended before it was interrupted"
        os.kill(process.pid, number)
        status = process.status(patience)
        if status is None:
            return f"it did not end within {patience:.0f} s"
        return _judge(status, hand, arm)


def _judge(status: int, hand: EmulatedHand, arm: ArmEmulator) -> str:
    heard = list(hand.heard)
    frames = [data for _, data in heard]
    calls = arm.wire.methods()
    moved = [i for i, name in enumerate(calls) if name in MOTIONS]
    stops = [i for i, name in enumerate(calls) if name == "StopMotion"]
    if not frames and not moved:
        return ""  # it had not begun; a signal then may also end the interpreter's own start
    if status != 0:
        return f"status {status}"
    if frames and (len(frames) < 2 or frames[-1] != frames[-2] or frames[-1][0] != FrameType.POSITION):
        return f"the hand's last frames are {[data.hex(' ') for data in frames[-2:]]}"
    if frames and heard[-1][0] - heard[-2][0] > _PAIR:  # a stream of fingers that stand ends in two equal frames, too
        return f"the hand's last frames came {1000 * (heard[-1][0] - heard[-2][0]):.0f} ms apart: no pair of its own"
    if moved and (not stops or stops[-1] < moved[-1]):
        return f"the arm's last calls are {calls[-3:]}"
    return ""


def main() -> int:
    """Run and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=30.0, help="longest time that ending may take [s]")
    parser.add_argument("--forked", action="store_true", help="fork the drivers' process: quicker")
    given = parser.parse_args()
    for mine in (signal.SIGINT, signal.SIGTERM):
        signal.signal(mine, signal.default_int_handler)  # leave no process, also where the shell ignores interrupts
    rng = np.random.default_rng(given.seed)
    failed = 0
    for run in range(given.runs):
        number = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[int(rng.integers(0, 3))]
        with own_domain() as domain:
            problem = run_once(rng, number, domain, given.forked, given.patience)
        failed += bool(problem)
        print(f"run {run}, {number.name}: {problem or 'final frames on both wires, no process left'}", flush=True)
    print(f"{given.runs} runs, seed {given.seed}: {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
