"""Hand and arm drivers against their emulators for a long time: rates, heartbeats and memory, and whether they hold.

Usage, with ROS and the packages in the environment: ``python benchmarks/hardware_soak.py [--minutes 120] [--planner]``

Hand driver, arm driver and supervisor run as processes of their own, the hand behind a pseudo-terminal, the arm behind
loopback sockets. The fingers open and close by velocity commands at 50 Hz, the arm swings to and fro by ``arm/move``.
``--planner`` plans without pause beside them, which is more than a grasp asks for. Prints a markdown table and exits
with 1 if a requirement is missed: no fault, command rate of 50 Hz and full tactile sweeps of 20 Hz on the wire in every
window, no gap between two heartbeats above the drivers' patience, memory that grows by at most 1 % after the warm-up.
On a machine that is busy with other work ``--patience`` makes every deadline longer; the rates are then the machine's.
After a fault the drivers are connected and activated again and the run goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import Bool
from vnb_msgs.action import MoveArm
from vnb_msgs.msg import HandCommand

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.processes import ros_arguments, stop_processes
from vnb_grasp.description import load_arm
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.action_client import LockedActionClient
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning
from vnb_hardware.emulators.arm import ArmEmulator
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.server import HandServer, SlcanPort
from vnb_hardware.hand.frames import FINGER_TYPES, FrameType

WINDOW = 10.0
COMMAND_RATE, TACTILE_RATE = 50.0, 20.0
SUPERVISOR_TIMEOUT = 0.5
DEADLINES: dict[str, dict[str, float]] = {
    "supervisor": {"hand_deadline": 0.3, "tactile_deadline": 0.5, "arm_deadline": 0.3},
    "hand_driver": {
        "driver.silence": 0.15,
        "driver.tactile_silence": 0.2,
        "driver.stuck_time": 0.6,
        "command_age": 1.0,
        "bus.send_timeout": 0.1,
    },
    "arm_driver": {"driver.stale_after": 0.1, "driver.timeout": 0.5, "driver.stall_after": 1.5, "command_age": 1.0},
}
"""The nodes' defaults [s]."""
SHORTFALL = 0.98
"""Share of a rate that a window of ten seconds must reach: it holds a few periods more or less."""
GROWTH = 0.01
SWING = 0.3
CLOSING, PERIOD = 0.4, 4.0
START_TIME = 60.0
QUIET_TIME = 4.0
DRIVERS = ("hand_driver", "arm_driver")
CONNECT = (
    (State.PRIMARY_STATE_ACTIVE, Transition.TRANSITION_DEACTIVATE),
    (State.PRIMARY_STATE_INACTIVE, Transition.TRANSITION_CLEANUP),
    (State.PRIMARY_STATE_UNCONFIGURED, Transition.TRANSITION_CONFIGURE),
)
ACTIVATE = ((State.PRIMARY_STATE_INACTIVE, Transition.TRANSITION_ACTIVATE),)
"""What a driver needs after any fault."""


@dataclass
class Window:
    """What happened in one window: rates on the wire [Hz], gap between heartbeats [s], memory by process [kB]."""

    command_rate: float
    tactile_rate: float
    heartbeat_gap: float
    memory: dict[str, int]


@dataclass
class Result:
    """What the whole run showed."""

    seconds: float
    load: float
    windows: list[Window] = field(default_factory=list)
    motions: int = 0
    failed_motions: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    holds: int = 0
    missed_states: int = 0
    longest_state_gap_ms: float = 0.0
    processor_share: dict[str, float] = field(default_factory=dict)


class CountingHand(EmulatedHand):
    """An emulated hand that counts position commands; the emulator itself remembers only the latest.

    Attributes:
        commands: Position commands so far.
    """

    commands = 0

    def receive(self, can_id: int, data: bytes, now: float) -> list[tuple[int, bytes]]:
        """See :class:`EmulatedHand`."""
        self.commands += len(data) > 2 and data[0] == FrameType.POSITION
        return super().receive(can_id, data, now)

    def counts(self) -> tuple[int, int]:
        """Return position commands and full tactile sweeps so far."""
        return self.commands, min(self.questions.get(kind, 0) for kind in FINGER_TYPES)


class Operator(VnbNode):
    """Moves hand and arm, and listens.

    Args:
        patience: Factor of the time that nodes have to answer.
        options: For the node.
    """

    def __init__(self, patience: float, **options: Any) -> None:
        super().__init__("soak", **options)
        self.answer_time = patience * START_TIME
        group = ReentrantCallbackGroup()
        self.problems: list[str] = []
        self.arm_values: dict[str, str] = {}
        self.gap, self._heard = 0.0, time.monotonic()
        self._began = time.monotonic()
        self._commands = self.create_publisher(HandCommand, "hand/command", qos.COMMAND)
        self.create_subscription(Bool, "safety/hold", self._on_heartbeat, qos.COMMAND, callback_group=group)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.CHAIN, callback_group=group)
        self._moves = LockedActionClient(self, MoveArm, "arm/move", callback_group=group)
        self._group = group

    def _on_heartbeat(self, message: Bool) -> None:
        now = time.monotonic()
        self.gap, self._heard = max(self.gap, now - self._heard), now

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(": arm"):
                self.arm_values = {item.key: item.value for item in status.values}
            if status.level == DiagnosticStatus.ERROR:
                self.problems.append(f"{status.name}: {status.message}")

    def command(self) -> None:
        """Send the next velocity: the fingers open and close slowly."""
        pace = CLOSING * math.sin(2 * math.pi * (time.monotonic() - self._began) / PERIOD)
        message = HandCommand(mode=HandCommand.VELOCITY, velocity=[0.0, pace / 2, pace, pace, pace, pace])
        message.header.stamp = self.get_clock().now().to_msg()
        self._commands.publish(message)

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Return the answer of a service; raises :class:`TimeoutError`."""
        client = self.create_client(kind, name, callback_group=self._group)
        try:
            if not client.wait_for_service(self.answer_time):
                raise TimeoutError(f"no service {name}")
            return wait(client.call_async(request), name, self.answer_time)
        finally:
            self.destroy_client(client)

    def move(self, positions: np.ndarray) -> Any:
        """Move the arm and return the result."""
        if not self._moves.wait_for_server(self.answer_time):
            raise TimeoutError("no action arm/move")
        goal = MoveArm.Goal(kind=MoveArm.Goal.JOINT, positions=positions.tolist(), speed_scale=0.15)
        handle = wait(self._moves.send_goal_async(goal), "arm/move", self.answer_time)
        return wait(handle.get_result_async(), "arm/move", self.answer_time).result


def wait(future: Any, what: str, timeout: float) -> Any:
    """Return a future's result; raises :class:`TimeoutError`."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    if not done.wait(timeout):
        raise TimeoutError(f"no answer of {what}")
    return future.result()


def memory_of(process: int) -> int:
    """Return a process's own memory [kB], without files that are mapped."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    raise LookupError(f"no RssAnon of process {process}")


def processor_time(process: int) -> float:
    """Return the processor time of a process so far [s]."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def drivers(domain: int, hand_port: str, arm: ArmEmulator, patience: float) -> Iterator[dict[str, int]]:
    """Start the nodes and yield their process numbers; at the end no process is left."""
    calls, cnde, _, text = arm.ports
    safety = {"supervisor_timeout": patience * SUPERVISOR_TIMEOUT}
    own: dict[str, dict[str, Any]] = {
        "supervisor": {},
        "hand_driver": {"bus.interface": "slcan", "bus.channel": hand_port, **safety},
        "arm_driver": {"driver.rpc_port": calls, "driver.stream_port": cnde, "driver.text_port": text, **safety},
    }
    parameters = {
        name: values | {deadline: patience * seconds for deadline, seconds in DEADLINES[name].items()}
        for name, values in own.items()
    }
    environment = dict(os.environ, ROS_DOMAIN_ID=str(domain), OMP_NUM_THREADS="1")
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, values in parameters.items():
            command = [sys.executable, "-m", f"vnb_hardware.nodes.{name}_node", *ros_arguments(values)]
            started[name] = subprocess.Popen(command, env=environment)
        yield {name: process.pid for name, process in started.items()}
    finally:
        stop_processes(list(started.values()))


@contextmanager
def planner() -> Iterator[None]:
    """Plan without pause in a process of its own."""
    script = str(Path(__file__).with_name("planner_step.py"))
    command = [sys.executable, script, "--objects", "cube", "--planners", "vnb", "--steps", "100000000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def activate(operator: Operator) -> None:
    """Connect and activate both drivers anew and see them quiet for a while; raises :class:`TimeoutError`."""
    due = time.monotonic() + 2 * operator.answer_time
    while time.monotonic() < due:
        for steps in (CONNECT, ACTIVATE):
            for name, (state, transition) in product(DRIVERS, steps):
                if state_of(operator, name) == state:
                    change(operator, name, transition)
            operator.problems.clear()
            time.sleep(QUIET_TIME)  # the supervisor must see both before it lets either move
        states = {state_of(operator, name) for name in DRIVERS}
        if states == {State.PRIMARY_STATE_ACTIVE} and not operator.problems:
            return
    raise TimeoutError(f"the drivers do not become active: {operator.problems[-3:]}")


def state_of(operator: Operator, name: str) -> int:
    """Return a driver's lifecycle state."""
    return int(operator.call(GetState, f"{name}/get_state", GetState.Request()).current_state.id)


def change(operator: Operator, name: str, transition: int) -> None:
    """Ask a driver for a transition that its state has; rclpy answers no others."""
    operator.call(ChangeState, f"{name}/change_state", ChangeState.Request(transition=Transition(id=transition)))


def soak(seconds: float, operator: Operator, hand: CountingHand, processes: dict[str, int]) -> Result:
    """Let it run and return what happened."""
    result, ended = Result(seconds, os.getloadavg()[0]), threading.Event()
    home = np.array(load_arm("fr3").home)

    def swing() -> None:
        side = 1.0
        while not ended.is_set():
            try:
                problem = operator.move(home + np.array([side * SWING, 0, 0, 0, 0, 0])).error_message
            except TimeoutError as error:
                problem = str(error)
            result.motions += 1
            if problem:
                result.failed_motions.append(problem)
                ended.wait(1.0)
            side = -side

    def close_fingers() -> None:
        due = time.monotonic()
        while not ended.is_set():
            operator.command()
            due = max(due + 1 / COMMAND_RATE, time.monotonic())
            time.sleep(max(due - time.monotonic(), 0.0))

    threads = [threading.Thread(target=job, daemon=True) for job in (swing, close_fingers)]
    operator.gap = 0.0
    spent = {name: processor_time(process) for name, process in processes.items()}
    for thread in threads:
        thread.start()
    begin = last = time.monotonic()
    counted = hand.counts()
    while last < begin + seconds:
        time.sleep(WINDOW)
        now, new = time.monotonic(), hand.counts()
        rates = [(b - a) / (now - last) for a, b in zip(counted, new, strict=True)]
        memory = {name: memory_of(process) for name, process in processes.items()}
        result.windows.append(Window(*rates, operator.gap, memory))
        if operator.problems:
            result.problems += operator.problems
            result.holds += 1
            try:
                activate(operator)  # the documented recovery
            except TimeoutError as error:
                result.problems.append(str(error))
                break
            now, new = time.monotonic(), hand.counts()
        last, counted, operator.gap = now, new, 0.0
    ended.set()
    for thread in threads:
        thread.join(operator.answer_time)
    result.seconds = last - begin
    result.problems = sorted(set(result.problems))
    result.missed_states = int(operator.arm_values.get("missed_frames", -1))
    result.longest_state_gap_ms = float(operator.arm_values.get("longest_gap_ms", math.nan))
    result.processor_share = {name: (processor_time(p) - spent[name]) / result.seconds for name, p in processes.items()}
    return result


def growth(windows: list[Window], name: str) -> float:
    """Return how much a process's memory grew from the end of the warm-up, a fifth of the run, to the end."""
    values = [window.memory[name] for window in windows]
    part = max(len(values) // 10, 1)
    early = values[len(values) // 5 : len(values) // 5 + part]
    return float(np.mean(values[-part:]) / np.mean(early) - 1)


def verdicts(result: Result, processes: dict[str, int], timeout: float) -> list[tuple[str, str, bool]]:
    """Return what is required, what was measured and whether it holds."""
    command = [window.command_rate for window in result.windows]
    tactile = [window.tactile_rate for window in result.windows]
    gap = max(window.heartbeat_gap for window in result.windows)
    rows = [
        ("position commands, 50 Hz", _rates(command), min(command) >= SHORTFALL * COMMAND_RATE),
        ("full tactile sweeps, 20 Hz", _rates(tactile), min(tactile) >= SHORTFALL * TACTILE_RATE),
        (f"heartbeats within {timeout} s", f"longest gap {gap:.3f} s", gap < timeout),
        ("no fault", f"{result.holds} times on hold", not result.problems),
        (
            "arm motions all carried out",
            f"{result.motions} motions, {len(result.failed_motions)} failed",
            not result.failed_motions,
        ),
        (
            "arm states",
            f"{result.missed_states} missed, longest gap {result.longest_state_gap_ms:.0f} ms",
            result.missed_states == 0,
        ),
    ]
    for name in processes:
        grown = growth(result.windows, name)
        memory = (
            f"{result.windows[-1].memory[name] / 1024:.1f} MB, {grown:+.2%}, {result.processor_share[name]:.0%} CPU"
        )
        rows.append((f"memory of {name} grows by at most 1 %", memory, grown <= GROWTH))
    return rows


def _rates(values: list[float]) -> str:
    return f"mean {np.mean(values):.1f} Hz, lowest window {min(values):.1f} Hz"


def main() -> int:
    """Run, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--planner", action="store_true", help="plan without pause beside it")
    parser.add_argument("--patience", type=float, default=1.0, help="factor of all deadlines")
    parser.add_argument("--domain", type=int, default=97, help="ROS domain that nobody else uses")
    parser.add_argument("--out", type=Path, help="file for all windows, as JSON")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # leave no process, also where the shell ignores interrupts
    with ExitStack() as stack:
        hand, port = CountingHand(), SlcanPort()
        stack.enter_context(HandServer(hand, port))
        arm = stack.enter_context(ArmEmulator(ports=(0, 0, 0, 0)))
        processes = stack.enter_context(drivers(arguments.domain, port.path, arm, arguments.patience))
        context = stack.enter_context(open_context(arguments.domain))
        operator = Operator(arguments.patience, context=context)
        stack.callback(operator.destroy_node)
        stack.enter_context(spinning(context, [operator]))
        activate(operator)
        if arguments.planner:
            stack.enter_context(planner())
        result = soak(60 * arguments.minutes, operator, hand, processes)
    beside = ", beside the planner" if arguments.planner else ""
    print(f"{result.seconds / 60:.1f} min{beside}, deadlines x {arguments.patience}", end="; ")
    print(f"{os.cpu_count()} cores, load {result.load:.1f} at the start\n")
    print("| required | measured | held |\n|---|---|---|")
    judged = verdicts(result, processes, arguments.patience * SUPERVISOR_TIMEOUT)
    for required, measured, held in judged:
        print(f"| {required} | {measured} | {'yes' if held else 'NO'} |")
    if arguments.out:
        arguments.out.write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")
    return 0 if all(held for _, _, held in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
