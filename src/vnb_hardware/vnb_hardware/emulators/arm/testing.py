"""A driver and the emulator that it drives, for tests and measurements."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

import numpy as np

from vnb_grasp.description import load_arm, load_hand
from vnb_grasp.errors import VnbError
from vnb_hardware.arm.config import ArmConfig
from vnb_hardware.arm.driver import ArmDriver
from vnb_hardware.arm.planning import MotionPlan, MotionPlanner
from vnb_hardware.arm.units import Array
from vnb_hardware.emulators.arm.emulator import ArmEmulator
from vnb_hardware.emulators.arm.model import Plant

PATIENT = ArmConfig(stale_after=0.4)
"""A busy machine is late more often than a controller."""

MOTIONS = frozenset({"MoveJ", "MoveL", "MoveCart", "ServoMoveStart", "ServoJ"})
"""Methods that make the arm move."""


class ArmRig:
    """An emulated arm on free ports with a driver; a context manager that leaves nothing behind.

    Args:
        config: Of the driver; host and ports are the emulator's. :data:`PATIENT` if None.
        start: Joint angles (6,) [rad]; the description's ready configuration if None.
        compensation: DH compensation of the emulated unit [mm].
        plant: Of the emulator.

    Attributes:
        faults: What the driver reported.
    """

    def __init__(
        self,
        config: ArmConfig | None = None,
        start: Array | None = None,
        compensation: tuple[float, ...] = (0.0,) * 6,
        plant: Plant | None = None,
    ) -> None:
        arm = load_arm("fr3")
        start = np.array(arm.ready) if start is None else start
        self.emulator = ArmEmulator(ports=(0, 0, 0, 0), start=start, compensation=compensation, plant=plant)
        rpc_port, cnde_port, legacy_port, text_port = self.emulator.ports
        config = config or PATIENT
        state_port = cnde_port if config.stream == "cnde" else legacy_port
        self.config = replace(config, rpc_port=rpc_port, stream_port=state_port, text_port=text_port)
        self.faults: list[VnbError] = []
        self.driver = ArmDriver(arm, load_hand("l6_v31"), self.config, self.faults.append)

    def __enter__(self) -> ArmRig:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(VnbError):  # after a fault that lets no stop through
            self.driver.disconnect()
        self.emulator.close()

    def ready(self) -> ArmRig:
        """Connect and enable."""
        self.driver.connect()
        self.driver.enable()
        return self

    @property
    def planner(self) -> MotionPlanner:
        """The driver's planner."""
        return self.driver.require_planner()

    def turn(self, angle: float = 1.0, scale: float = 0.1) -> MotionPlan:
        """Return a plan that turns joint 1 by ``angle`` [rad]."""
        start = self.driver.state().position
        goal = start.copy()
        goal[0] += angle
        return self.planner.joint_motion(start, goal, self.driver.hand_posture, scale)

    def go(self, angle: float) -> Array:
        """Turn joint 1 by ``angle`` [rad] as fast as allowed, and return the joint angles at the end."""
        return self.driver.run(self.turn(angle, 1.0), lambda: False, lambda *_: None)

    def begin(self, plan: MotionPlan | None = None) -> Running:
        """Run a plan in a thread and return when the arm moves."""
        running = Running(self.driver, plan or self.turn())
        until(lambda: np.abs(self.emulator.model.velocity).max() > 0.05)
        return running


class Running:
    """A motion in a thread.

    Attributes:
        result: Where it ended, if it did.
        error: What it raised, if it did.
    """

    def __init__(self, driver: ArmDriver, plan: MotionPlan) -> None:
        self.result: Array | None = None
        self.error: VnbError | None = None
        self.progress: list[float] = []
        self.cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(driver, plan), daemon=True)
        self._thread.start()

    def _run(self, driver: ArmDriver, plan: MotionPlan) -> None:
        try:
            self.result = driver.run(plan, self.cancel.is_set, lambda progress, _: self.progress.append(progress))
        except VnbError as error:
            self.error = error

    def join(self, timeout: float = 10.0) -> None:
        """Wait for the end; raises :class:`TimeoutError` if it does not come."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError("the motion did not end")


def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait until a condition holds; raises :class:`TimeoutError` if it does not."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"it did not happen within {timeout} s")
        time.sleep(0.005)
