"""The emulated arm: joints that follow paths with bounded speed and acceleration, and the controller's flags."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vnb_grasp.description import load_arm
from vnb_hardware.arm import units
from vnb_hardware.arm.cnde import Values
from vnb_hardware.arm.kinematics import DhKinematics, DhParameters
from vnb_hardware.arm.units import Array

Plant = Callable[[Array, float], Array]
"""Maps the controller's reference (6,) [rad] and a time step [s] to measured joint angles (6,) [rad]."""

ACCELERATION = 8.0
BRAKING = 20.0
_SERVO_SLACK = 4.0
"""How much faster than allowed a streamed target may jump before it is refused; a late message is not an overrun."""

SOFT_LIMITS = (-175.0, 175.0, -265.0, 85.0, -150.0, 150.0, -265.0, 85.0, -175.0, 175.0, -175.0, 175.0)
"""Minimum and maximum per joint [deg]; joint 3 is narrower than the vendor's URDF says, as on the data sheet."""


@dataclass(eq=False)
class Motion:
    """A path in joint space (W, 6) [rad], its full rate and acceleration in path lengths, and how far it is."""

    path: Array
    rate: float
    acceleration: float
    braking: float
    done: threading.Event = field(default_factory=threading.Event)
    at: float = 0.0
    pace: float = 0.0

    def advance(self, dt: float, stopping: bool, override: float) -> Array:
        """Move on by ``dt`` [s] and return the joint angles."""
        if stopping:
            self.pace = max(self.pace - self.braking * dt, 0.0)
        else:
            brake = np.sqrt(2 * self.acceleration * max(1.0 - self.at, 0.0))
            self.pace = min(self.pace + self.acceleration * dt, self.rate * override, brake)
        self.at = min(self.at + max(self.pace, 0.0 if stopping else 1e-4) * dt, 1.0)
        position = self.at * (len(self.path) - 1)
        i = min(int(position), len(self.path) - 2)
        return self.path[i] + (self.path[i + 1] - self.path[i]) * (position - i)


class ArmModel:
    """Joints, queue of motions, flags. Thread-safe through ``lock``, which users of several attributes hold.

    Args:
        start: Joint angles (6,) [rad]; the arm's home if None.
        compensation: ``GetDHCompensation`` of this unit [mm].
        soft_limits: Of this unit [deg].
        plant: What the reference moves; the arm follows exactly if None.
    """

    def __init__(
        self,
        start: Array | None = None,
        compensation: tuple[float, ...] = (0.0,) * 6,
        soft_limits: tuple[float, ...] = SOFT_LIMITS,
        plant: Plant | None = None,
    ) -> None:
        description = load_arm("fr3")
        self.lock = threading.RLock()
        self.compensation, self.soft_limits = compensation, soft_limits
        self.kinematics = DhKinematics(DhParameters.compensated(compensation))
        self.speed_limits = np.array([joint.speed_limit for joint in description.joints], dtype=np.float64)
        self.lower, self.upper = np.radians(soft_limits[0::2]), np.radians(soft_limits[1::2])
        self.reference = np.array(description.home if start is None else start, dtype=np.float64)
        self.position, self.velocity = self.reference.copy(), np.zeros(6)
        self.plant = plant
        self.queue: list[Motion] = []
        self.stopping = False
        self.servo_target: Array | None = None
        self.servo_count = 0
        self.mode, self.enabled, self.override = 0, False, 1.0
        self.main_code = self.sub_code = 0
        self.emergency_stop = self.collision = False
        self.safety_stops = [False, False]
        self.fault_resets = True
        self.frozen_joint: int | None = None

    # --- commands -------------------------------------------------------------------------------------------------

    @property
    def blocked(self) -> bool:
        """Whether a flag forbids motion."""
        return self.emergency_stop or self.collision or any(self.safety_stops) or bool(self.main_code or self.sub_code)

    def add(self, path: Array, rate: float) -> Motion:
        """Queue a motion along ``path`` (W, 6) at ``rate`` [path lengths per second] and return it."""
        with self.lock:
            longest = max(float(np.abs(np.diff(path, axis=0)).sum(axis=0).max()), 1e-6)
            motion = Motion(path, rate, ACCELERATION / longest, BRAKING / longest)
            self.queue.append(motion)
            self.stopping = False
            return motion

    def end_of_queue(self) -> Array:
        """Return the joint angles (6,) where the last motion ends."""
        with self.lock:
            return self.queue[-1].path[-1].copy() if self.queue else self.reference.copy()

    def stop(self) -> None:
        """Brake; what is queued is forgotten when the arm stands."""
        with self.lock:
            self.stopping = True
            self.servo_target = None if self.servo_target is None else self.reference.copy()

    def servo_jump(self, target: Array, period: float) -> bool:
        """Whether a streamed target (6,) is further from the last than the joints can go."""
        with self.lock:
            last = self.reference if self.servo_target is None else self.servo_target
            return bool((np.abs(target - last) > _SERVO_SLACK * self.speed_limits * max(period, 0.008)).any())

    # --- time -----------------------------------------------------------------------------------------------------

    def step(self, dt: float) -> None:
        """Advance by ``dt`` [s]."""
        with self.lock:
            if self.blocked or not self.enabled:
                self.stopping = True
            self._move_reference(dt)
            before = self.position
            measured = self.reference if self.plant is None else self.plant(self.reference, dt)
            measured = measured.copy()
            if self.frozen_joint is not None:
                measured[self.frozen_joint] = before[self.frozen_joint]
            self.position = measured
            self.velocity = (measured - before) / dt

    def _move_reference(self, dt: float) -> None:
        if self.queue:
            motion = self.queue[0]
            self.reference = motion.advance(dt, self.stopping, self.override)
            if motion.at >= 1.0:
                self.queue.pop(0).done.set()
            elif self.stopping and motion.pace == 0.0:
                for waiting in self.queue:
                    waiting.done.set()
                self.queue.clear()
        elif self.servo_target is not None and not self.stopping:
            reach = self.speed_limits * dt
            self.reference = self.reference + np.clip(self.servo_target - self.reference, -reach, reach)

    # --- what is reported -----------------------------------------------------------------------------------------

    def values(self) -> Values:
        """Return all fields of the state streams that this arm has, in the controller's units."""
        with self.lock:
            pose = tuple(units.pose_to_wire(self.kinematics.flange(self.position)))
            moving = bool(self.queue)
            now = time.time()
            clock = time.gmtime(now)
            return {
                "program_state": (1,),
                "robot_state": (2 if moving else 1,),
                "main_code": (self.main_code,),
                "sub_code": (self.sub_code,),
                "robot_mode": (self.mode,),
                "actual_joint_pos": tuple(np.degrees(self.position).tolist()),
                "actual_TCP_pos": pose,
                "actual_flange_pos": pose,
                "actual_joint_vel": tuple(np.degrees(self.velocity).tolist()),
                "emergency_stop": (int(self.emergency_stop),),
                "motion_done": (int(not moving),),
                "motion_queue_len": (max(len(self.queue) - 1, 0),),
                "collision_state": (int(self.collision),),
                "safety_stop0_state": (int(self.safety_stops[0]),),
                "safety_stop1_state": (int(self.safety_stops[1]),),
                "rbt_enable_state": (int(self.enabled),),
                "actual_joint_temp": (35.0,) * 6,
                "robot_time": (*clock[:6], int(now * 1000) % 1000),
                "last_servoJ_target": tuple(np.degrees(self.reference).tolist()),
                "servoJ_cmd_num": (self.servo_count,),
                "target_joint_pos": tuple(np.degrees(self.reference).tolist()),
            }
