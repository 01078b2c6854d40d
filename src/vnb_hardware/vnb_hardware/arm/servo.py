"""Small corrections as a stream of joint targets, for as long as somebody keeps asking for them."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from vnb_grasp.errors import DeviceFaultError, HardwareError, MotionError, VnbError
from vnb_grasp.frames.se3 import exp_so3
from vnb_hardware.arm import units
from vnb_hardware.arm.controller import Controller
from vnb_hardware.arm.units import Array

if TYPE_CHECKING:
    from vnb_hardware.arm.driver import ArmDriver

_TURN_SPEED = 0.3
_TRACKING = 0.1
_AGAIN = "pause before the next"


def require_slow(linear: Array, angular: Array, limit: float) -> Array:
    """Return both velocities of a correction as one array (6,).

    Args:
        linear: Of the hand, in the world's axes (3,) [m/s].
        angular: In the world's axes (3,) [rad/s].
        limit: Of the linear one [m/s].

    Raises:
        MotionError: If it is too fast.
        NonFiniteError: If a number is not finite.
    """
    velocity = units.six(np.concatenate([linear, angular]), "velocity of a correction")
    speed, turn = float(np.linalg.norm(velocity[:3])), float(np.linalg.norm(velocity[3:]))
    if speed > limit or turn > _TURN_SPEED:
        raise MotionError(
            f"correction: got {speed:.3f} m/s and {turn:.3f} rad/s, expected at most {limit} and {_TURN_SPEED}"
        )
    return velocity


class Refusals:
    """Keeps refusing corrections that went too far: a stream that goes on must not begin anew from where it ended."""

    def __init__(self) -> None:
        self._refusal: MotionError | None = None
        self._asked = 0.0

    def require_none(self, latest: MotionError | None, pause: float) -> None:
        """Raise why the last stream was ended, until nobody has asked for ``pause`` [s].

        Args:
            latest: Why the stream before this request was ended, if a limit did; raised in any case.
            pause: Time between two requests from which on they are no longer one stream [s].

        Raises:
            MotionError: The refusal.
        """
        asked, self._asked = self._asked, time.monotonic()
        if latest is not None:
            self._refusal = latest
        elif self._asked - asked > pause:
            self._refusal = None
        if self._refusal is not None:
            raise self._refusal

    def forget(self) -> None:
        """Take corrections again."""
        self._refusal = None


class ServoSession:
    """Streams targets from the measured pose on, in a thread, until nobody asks any more.

    The target moves by one period's step per message, whatever the clock did: a late message is a pause, not a jump.

    Args:
        driver: Gives states, plans and limits, and takes the faults.
        controller: Takes the targets.
        on_end: Called when the stream has ended.

    Attributes:
        ended: The thread has ended; a new session may begin.
        refusal: The limit that ended it, if one did; the next request for a correction raises it.
    """

    def __init__(self, driver: ArmDriver, controller: Controller, on_end: Callable[[], None]) -> None:
        self._driver, self._controller, self._on_end = driver, controller, on_end
        self._lock = threading.Lock()
        self._velocity = np.zeros(6)
        self._asked = time.monotonic()
        self._closing = threading.Event()
        self.ended = False
        self.refusal: MotionError | None = None
        self._thread = threading.Thread(target=self._run, name="arm-servo", daemon=True)
        self._thread.start()

    def command(self, velocity: Array) -> None:
        """Set the hand's velocity, as :func:`require_slow` gives it."""
        with self._lock:
            self._velocity, self._asked = velocity, time.monotonic()

    def close(self) -> None:
        """End the stream and wait for it."""
        self._closing.set()
        if self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _run(self) -> None:
        try:
            self._controller.begin_servo()
            self._stream()
        except MotionError as error:  # a limit: the arm stands where the last target put it
            self.refusal = error
        except VnbError as error:
            self._driver.trip(error)
        except Exception as error:
            self._driver.trip(HardwareError(f"correction: {error!r}"))
            raise
        finally:
            with contextlib.suppress(VnbError):
                if self._driver.halted.is_set():
                    self._controller.stop(servo=True)  # a target that was on its way came after the first stop
                else:
                    self._controller.end_servo()
            self.ended = True
            self._on_end()

    def _stream(self) -> None:
        config, planner = self._driver.config, self._driver.require_planner()
        q = self._driver.state().position
        pose = origin = planner.hand_pose(q)
        due = time.monotonic()
        while not (self._closing.is_set() or self._driver.halted.is_set()):
            with self._lock:
                velocity, asked = self._velocity, self._asked
            if time.monotonic() - asked > config.servo_timeout:
                return
            self._controller.servo(q, config.servo_period)  # the first target is the measured pose
            pose = _moved(pose, velocity, config.servo_period)
            if np.linalg.norm(pose[:3, 3] - origin[:3, 3]) > config.servo_reach:
                raise MotionError(f"correction: further than {config.servo_reach} m from where it began; {_AGAIN}")
            if _angle(pose, origin) > config.servo_turn:
                raise MotionError(f"correction: turned by more than {config.servo_turn} rad since it began; {_AGAIN}")
            q = planner.servo_step(q, planner.flange_of(pose), self._driver.hand_posture, config.servo_period)
            lag = float(np.abs(self._driver.state().position - q).max())
            if lag > _TRACKING:
                raise DeviceFaultError(f"correction: the arm is {lag:.3f} rad behind its target")
            due = max(due + config.servo_period, time.monotonic())
            self._closing.wait(max(due - time.monotonic(), 0.0))


def _angle(pose: Array, origin: Array) -> float:
    """Return the angle between two orientations, 0 to pi [rad]."""
    return math.acos(min(max((float(np.sum(pose[:3, :3] * origin[:3, :3])) - 1) / 2, -1.0), 1.0))


def _moved(pose: Array, velocity: Array, period: float) -> Array:
    moved = pose.copy()
    moved[:3, 3] += velocity[:3] * period
    moved[:3, :3] = exp_so3(torch.from_numpy(velocity[3:] * period)).numpy() @ pose[:3, :3]
    return moved
