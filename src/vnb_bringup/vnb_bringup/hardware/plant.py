"""A MuJoCo world behind the emulated hand and arm: what their motors move is physical.

Free of ROS. The world runs in a thread of its own with the wall clock, unless the machine is too slow for that.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import SimulationError
from vnb_hardware.emulators.hand.plant import Reading
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.sensors.tactile import read_tactile

Array = NDArray[np.float64]
R = TypeVar("R")

_STEPS = 2
"""Physics steps between two looks at the commands."""
_MOST_BEHIND = 0.05
"""Wall-clock time that the world makes up for [s]; what is later than that is lost."""
_SENSE_EVERY = 4
"""Looks at the commands between two readings of the hand's sensors."""


class WorldPlant:
    """Runs a bridge's world with the wall clock, driven by an emulated hand and an emulated arm.

    :attr:`hand` is the plant of an :class:`~vnb_hardware.emulators.hand.hand.EmulatedHand`, :meth:`drive_arm` of an
    :class:`~vnb_hardware.emulators.arm.emulator.ArmEmulator`; both may be called from any thread.

    Args:
        bridge: Its world is only touched by the plant's own thread from now on; see :meth:`run`.

    Attributes:
        hand: Mechanics of the hand.
        lost: Wall-clock time that the world could not make up for [s].
    """

    def __init__(self, bridge: SimBridge) -> None:
        self.bridge = bridge
        self.hand = HandPlant(bridge)
        self.lost = 0.0
        self._arm_target = bridge.world.arm_q()
        self._arm_q = self._arm_target.copy()
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._count = 0
        self._thread = threading.Thread(target=self._live, name="emulated-world", daemon=True)
        self._thread.start()

    def drive_arm(self, reference: Array, dt: float) -> Array:
        """Take the arm controller's reference (6,) [rad]; return the measured joint angles (6,) [rad]."""
        self._arm_target = reference.copy()
        return self._arm_q

    def run(self, job: Callable[..., R], *arguments: Any) -> R:
        """Run a job in the world's thread, between two steps, and return its result; the world waits for it.

        Raises:
            SimulationError: If the world has ended.
        """
        if self._ending.is_set():
            raise SimulationError("the emulated world has ended")
        done: Future[R] = Future()
        self._jobs.put((done, lambda: job(*arguments)))
        return done.result()

    def reset(self, scenario: Scenario) -> None:
        """Start a scenario: another object, at its place on the table. Hand and arm stay where they are."""
        self.run(self._reset, scenario)

    def close(self) -> None:
        """Stop the world."""
        self._ending.set()
        self._jobs.put((Future(), lambda: None))
        self._thread.join(10.0)

    def _reset(self, scenario: Scenario) -> None:
        world = self.bridge.world
        arm, fingers = world.arm_q(), world.hand_q()[:6]
        self.bridge.reset(scenario)
        world = self.bridge.world  # another one if the object is another
        world.teleport_arm(arm)
        world.teleport_hand(fingers)
        self._sense()

    # --- the world's thread -------------------------------------------------------------------------------------------

    def _live(self) -> None:
        period = _STEPS * self.bridge.parameters.timestep
        due = time.monotonic()
        while not self._ending.is_set():
            self._run_jobs(due - time.monotonic())
            late = time.monotonic() - due
            if late > _MOST_BEHIND:
                self.lost += late
                due += late
            if late >= 0:
                self._advance(period)
                due += period
        while not self._jobs.empty():
            self._jobs.get_nowait()[0].cancel()

    def _run_jobs(self, wait: float) -> None:
        """Run what is waiting; wait for it no longer than ``wait`` [s]."""
        until = time.monotonic() + wait
        while True:
            try:
                left = until - time.monotonic()
                done, job = self._jobs.get(timeout=left) if left > 0 else self._jobs.get_nowait()
            except queue.Empty:
                return
            if self._ending.is_set():
                done.cancel()
                return
            try:
                done.set_result(job())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
                done.set_exception(error)

    def _advance(self, period: float) -> None:
        velocity, effort = self.hand.servo(self.bridge, period)
        self.bridge.drive(velocity, effort, self._arm_target, _STEPS)
        self._arm_q = self.bridge.world.arm_q()
        self._count += 1
        if self._count % _SENSE_EVERY == 0:
            self._sense()

    def _sense(self) -> None:
        self.hand.sense(self.bridge, self._count)
        self._arm_q = self.bridge.world.arm_q()


class HandPlant:
    """The emulated hand's mechanics: servos that go to their targets at their speed limits, in the world.

    Args:
        bridge: Of the world.
    """

    def __init__(self, bridge: SimBridge) -> None:
        self._command: tuple[Array, Array, Array] | None = None
        self._model = bridge.sensors.tactile_model
        self.sense(bridge, 0)

    def drive(self, target: Array, speed: Array, torque: Array) -> None:
        """See :class:`vnb_hardware.emulators.hand.plant.Plant`."""
        self._command = (target.copy(), speed.copy(), torque.copy())

    def read(self, now: float) -> Reading:
        """See :class:`vnb_hardware.emulators.hand.plant.Plant`: the latest readings."""
        return self._reading

    def servo(self, bridge: SimBridge, period: float) -> tuple[Array, Array]:
        """Return velocities (6,) [rad/s] and effort limits (6,) [N m] of the next ``period`` [s]."""
        world = bridge.world
        if self._command is None:
            return np.zeros(6), world.effort_limit
        target, speed, torque = self._command
        most = speed * world.speed_limit
        return np.clip((target - world.hand_target) / period, -most, most), torque * world.torque_limit

    def sense(self, bridge: SimBridge, count: int) -> None:
        """Take new readings; ``count`` numbers their noise."""
        world = bridge.world
        taxels = read_tactile(world, self._model, count)
        self._reading = Reading(world.hand_q()[:6], world.hand_torque() / world.torque_limit, taxels)
