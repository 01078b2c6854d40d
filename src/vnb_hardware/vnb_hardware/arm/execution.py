"""Carry one plan out: begin it once, watch it, and stop it when it does not do what was planned."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from vnb_grasp.errors import HardwareError, HoldError, MotionError, VnbError
from vnb_hardware.arm.clearance import refine
from vnb_hardware.arm.controller import Controller
from vnb_hardware.arm.planning import MotionPlan
from vnb_hardware.arm.state import ArmState
from vnb_hardware.arm.units import Array

if TYPE_CHECKING:
    from vnb_hardware.arm.driver import ArmDriver

_POLL = 0.02
_START_TOLERANCE = 0.01
_GOAL_TOLERANCE = 0.001
_NOTHING = 1e-4
_STILL = 0.02
_PROGRESS = 0.0005
_STOP_TIME = 2.0
_FINE = 0.05


def run_plan(
    driver: ArmDriver,
    controller: Controller,
    plan: MotionPlan,
    canceled: Callable[[], bool],
    feedback: Callable[[float, Array], None],
) -> Array:
    """Begin ``plan``, watch it to its end and return the joint angles (6,) [rad] there; see :meth:`ArmDriver.run`."""
    begin = driver.state()
    if np.abs(begin.position - plan.path[0]).max() > _START_TOLERANCE:
        raise MotionError("arm: it is no longer where the plan begins; plan again")
    if np.abs(plan.goal - begin.position).max() < _NOTHING:
        feedback(1.0, begin.position)
        return begin.position
    if driver.halted.is_set():
        raise driver.fault or HoldError("arm: put on hold before the motion began")
    sent = time.monotonic()
    try:
        if plan.linear:
            controller.move_line(plan.goal, plan.flange, plan.speed, driver.config.linear_acceleration)
        else:
            controller.move_joints(plan.goal, plan.flange, plan.speed)
    except (MotionError, HoldError):
        raise  # refused in good order: nothing runs
    except VnbError as error:
        driver.trip(error)  # a missing answer does not say that nothing runs
        driver.stop_again()
        raise
    try:
        return _Watch(driver, controller, plan, sent).follow(canceled, feedback)
    except BaseException as error:
        if driver.halted.is_set():  # the stop went another way than the motion, and may have come before it
            driver.stop_again()
        else:  # it runs, and nobody watches it any more
            driver.trip(error if isinstance(error, VnbError) else HardwareError(f"arm: motion unwatched: {error!r}"))
        raise


class _Watch:
    """Follows a motion that was begun."""

    def __init__(self, driver: ArmDriver, controller: Controller, plan: MotionPlan, sent: float) -> None:
        self._driver, self._controller, self._plan, self._sent = driver, controller, plan, sent
        self._points = refine(plan.path, _FINE)
        self._best = np.inf
        self._better = sent

    def follow(self, canceled: Callable[[], bool], feedback: Callable[[float, Array], None]) -> Array:
        """Return where the arm is when the motion has ended or was canceled."""
        length = float(np.abs(self._plan.goal - self._plan.path[0]).max())
        while True:
            self._driver.halted.wait(_POLL)
            if self._driver.halted.is_set():
                raise self._driver.fault or HoldError("arm: put on hold during the motion")
            if canceled():
                return self._stopped()
            state = self._driver.state()
            if state.received <= self._sent:
                continue
            left = float(np.abs(self._plan.goal - state.position).max())
            if self._arrived(state, left):
                feedback(1.0, state.position)
                return state.position
            self._require_course(state, left)
            feedback(min(max(1.0 - left / length, 0.0), 1.0) if length else 0.0, state.position)

    def _arrived(self, state: ArmState, left: float) -> bool:
        return state.motion_done and state.queue_length == 0 and state.speed < _STILL and left < _GOAL_TOLERANCE

    def _require_course(self, state: ArmState, left: float) -> None:
        off = float(np.abs(self._points - state.position).max(axis=1).min())
        if off > self._driver.config.deviation:
            self._give_up(f"left its planned path by {off:.3f} rad")
        along = float(np.abs(self._points - state.position).max(axis=1).argmin())
        measure = left - along  # either it comes nearer to the goal or gets further along the path
        if measure < self._best - _PROGRESS:
            self._best, self._better = measure, time.monotonic()
        elif time.monotonic() - self._better > self._driver.config.stall_after:
            self._give_up(f"made no progress for {self._driver.config.stall_after} s, {left:.3f} rad before its goal")

    def _give_up(self, what: str) -> None:
        raise MotionError(f"arm: {what}; stopped")

    def _stopped(self) -> Array:
        """Stop, wait until the arm stands and return where."""
        self._controller.stop()
        end = time.monotonic() + _STOP_TIME
        while time.monotonic() < end:
            state = self._driver.state()
            if state.received > self._sent and state.speed < _STILL and state.motion_done:
                return state.position
            time.sleep(_POLL)
        raise HoldError(f"arm: still moves {_STOP_TIME} s after the stop")
