"""The bridge without ROS: reset, lockstep decision steps, arm motions, stress tests, ground truth.

The node wraps this class and adds nothing to the physics, so a trial through the graph and one in process are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_grasp.errors import ConfigError, SimulationError
from vnb_grasp.quality.ferrari_canny import grasp_epsilon
from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.arm.motion import JointTrajectory, cartesian_line, joint_line
from vnb_sim_bridge.pregrasp.scene import LIFT_HEIGHT
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.sensors.frame import SensorFrame, SensorSuite
from vnb_sim_bridge.sensors.pose import PoseSensor, PoseSource
from vnb_sim_bridge.stress.battery import TestOutcome, run_battery, run_nominal
from vnb_sim_bridge.world.hand_motion import hand_motion
from vnb_sim_bridge.world.model import TABLE_HEIGHT
from vnb_sim_bridge.world.parameters import WorldParameters
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

TORQUE_LENGTH = 0.05
"""Length by which torques are divided in the recorded grasp quality [m]."""
LIFTED_SHARE = 0.8
PROBE_HEIGHT = 0.005
"""Height to which a probe can raise the hand [m]."""
CAMERA_PERIOD = 10
"""Decision steps from one look of the cameras to the next, 0.4 s: in lockstep the world waits for every estimate."""


@dataclass(frozen=True)
class GroundTruth:
    """What only the simulator knows. Arrays per finger: thumb, index, middle, ring, pinky."""

    step: int
    time: float
    T_world_object: Array
    friction_effective: float
    mass: float
    finger_force: Array
    touching: NDArray[np.bool_]
    slip_speed: Array
    epsilon: float
    peak_force: float


@dataclass(frozen=True)
class StressReport:
    """Verdict on a lifted object.

    Attributes:
        lifted: It rose by at least 80 % of the lift and hangs free.
        lift_height: [m].
        nominal, nominal_12: Within 1 cm through the pulses up to 8 N, and up to 12 N.
        survival: Share of the 28 battery tests survived.
        tests: Their outcomes.
        peak_force: Largest fingertip force up to and through the nominal test [N].
        peak_slip: Largest displacement in the nominal test [m].
        time_to_slip: When it first moved 5 mm in the nominal test [s], NaN if never.
        failure_mode: ``grasp``, ``lift``, ``slip``, ``perturbation`` or ``none``.
    """

    lifted: bool
    lift_height: float
    nominal: bool
    nominal_12: bool
    survival: float
    tests: tuple[TestOutcome, ...]
    peak_force: float
    peak_slip: float
    time_to_slip: float
    failure_mode: str


class SimBridge:
    """Stands in for the robot: one world, its sensors, and the protocol of the decision loop.

    Args:
        scenario: The first one.
        parameters: Of the simulator, in all scenarios.
        latency: Decision steps by which commands reach the fingers late, unless a grasp is begun with another.
        disturbance_scale: Factor on the forces and torques of the stress test, unless it is called with another.
        make_pose_source: Makes what estimates the object's pose in a world.
        camera_period: Decision steps from one look of it to the next.

    Raises:
        ConfigError: If latency, scale or period are out of range.
    """

    def __init__(
        self,
        scenario: Scenario,
        parameters: WorldParameters | None = None,
        *,
        latency: int = 0,
        disturbance_scale: float = 1.0,
        make_pose_source: Callable[[World], PoseSource] = PoseSensor,
        camera_period: int = CAMERA_PERIOD,
    ) -> None:
        if camera_period < 1:
            raise ConfigError(f"camera_period: got {camera_period} decision steps, expected at least 1")
        self._make_pose_source, self.camera_period = make_pose_source, camera_period
        self.parameters = parameters or WorldParameters()
        self.latency = _checked_latency(latency)
        self.disturbance_scale = _checked_scale(disturbance_scale)
        self._delay = self.latency
        self._under_way: deque[tuple[Array, Array | None, float]] = deque()
        self._open(scenario)

    def _open(self, scenario: Scenario) -> None:
        self.world = World(scenario, self.parameters)
        self.kinematics = ArmKinematics(self.world)
        self.sensors = SensorSuite(self.world, pose=self._make_pose_source(self.world))
        self.reset(scenario)

    def reset(self, scenario: Scenario) -> None:
        """Start a scenario; another object or hand makes another world."""
        world = self.world
        same = (scenario.object_name, scenario.hand, scenario.torque_scale) == (
            world.object.name,
            world.hand.name,
            world.scenario.torque_scale,
        )
        if not same:
            self.close()
            self._open(scenario)
            return
        world.reset(scenario)
        self.sensors.reset()
        self.sensors.grasp = 0
        self._grasps = 0
        self._probe_path: Array | None = None
        self._probe_height = 0.0
        self._under_way.clear()
        self.step = 0
        self.peak_force = 0.0
        self._rest_height: float | None = None
        self.sensors.look()

    def close(self) -> None:
        """Give back what the pose source holds; in the thread that made the bridge."""
        self.sensors.pose.close()

    # --- decision loop ------------------------------------------------------------------------------------------

    def begin_grasp(self, latency: int | None = None) -> SensorFrame:
        """Start the decision loop at step 0 with the hand holding; return its readings.

        Args:
            latency: Decision steps by which the commands of this grasp reach the fingers late; None is the bridge's.
        """
        self._delay = self.latency if latency is None else _checked_latency(latency)
        self._under_way.clear()
        self.step = 0
        self.sensors.reset()  # the first velocities are zero, whatever was read before
        self.sensors.grasp, self._grasps = self._grasps, self._grasps + 1
        self._probe_path = None
        self._probe_height = 0.0
        self._rest_height = float(self.world.object_pose()[2, 3])
        self.sensors.look()
        return self.sensors.read(0)

    def decide(
        self, step: int, velocity: Array, effort_limit: Array | None = None, lift_speed: float = 0.0
    ) -> SensorFrame:
        """Apply the command of ``step`` for one decision period; return the readings of the next step.

        With a latency the command is sent now and applied that many periods later. Until the first one arrives the
        fingers hold, and those still under way when a motion begins never arrive.

        Args:
            step: Decision step.
            velocity: Of the finger targets (6,) [rad/s].
            effort_limit: Largest servo torques (6,) [N m]; None is the hand's.
            lift_speed: Of the hand, upwards [m/s]; a probe goes up to :data:`PROBE_HEIGHT` and no further.

        Raises:
            SimulationError: If the command is not for the step that the bridge waits for, or not finite.
        """
        if step != self.step:
            raise SimulationError(
                f"the bridge waits for the command of step {self.step}, got step {step}; send each step once"
            )
        finite = np.isfinite(velocity).all() and np.isfinite(lift_speed)
        if not finite or (effort_limit is not None and not np.isfinite(effort_limit).all()):
            raise SimulationError(
                f"the command of step {step} is not finite: {velocity}, {effort_limit}, {lift_speed}; the hand holds"
            )
        effort_limit = None if effort_limit is None else np.array(effort_limit)
        # Copies: the sender may use its arrays again.
        self._under_way.append((np.array(velocity), effort_limit, float(lift_speed)))
        late = len(self._under_way) <= self._delay
        fingers, effort, lift = (np.zeros(6), None, 0.0) if late else self._under_way.popleft()
        self.world.drive_hand(fingers, effort, self.parameters.decision_period)
        if lift == 0.0:
            self.world.step(self.parameters.substeps)
        else:
            self._run_probe(lift)
        self._note_force()
        self.step += 1
        if self.step % self.camera_period == 0:
            self.sensors.look()
        return self.sensors.read(self.step)

    def _run_probe(self, speed: float) -> None:
        """Raise the hand for one decision period."""
        if self._probe_path is None:
            start_q = self._arm_target()
            top = self._hand_pose_at(start_q)
            top[2, 3] += PROBE_HEIGHT
            limits = self._arm_speed_limits()
            self._probe_path = cartesian_line(
                self.kinematics, start_q, self._hand_pose_at(start_q), top, limits, 1.0, way_points=3
            ).path
        per_step = speed * self.parameters.decision_period / self.parameters.substeps
        for _ in range(self.parameters.substeps):
            self._probe_height = float(np.clip(self._probe_height + per_step, 0.0, PROBE_HEIGHT))
            position = self._probe_height / PROBE_HEIGHT * (len(self._probe_path) - 1)
            i = min(int(position), len(self._probe_path) - 2)
            fraction = position - i
            self.world.set_arm_target(self._probe_path[i] * (1 - fraction) + self._probe_path[i + 1] * fraction)
            self.world.step()

    def _note_force(self) -> None:
        self.peak_force = max(self.peak_force, float(self.world.finger_forces().max()))

    # --- motions ------------------------------------------------------------------------------------------------

    def plan_joint_motion(self, goal: Array, speed_scale: float, duration: float = 0.0) -> JointTrajectory:
        """Plan a straight joint-space motion from the arm's present target."""
        return joint_line(self._arm_target(), goal, self._arm_speed_limits(), speed_scale, duration)

    def plan_linear_motion(self, T_world_hand: Array, speed_scale: float, duration: float = 0.0) -> JointTrajectory:
        """Plan a straight Cartesian motion of the hand's base from its present target."""
        start_q = self._arm_target()
        return cartesian_line(
            self.kinematics,
            start_q,
            self._hand_pose_at(start_q),
            T_world_hand,
            self._arm_speed_limits(),
            speed_scale,
            duration,
        )

    def run_arm(self, trajectory: JointTrajectory) -> Iterator[float]:
        """Run a trajectory, yielding its progress in [0, 1] every 20 ms of simulated time; the fingers hold."""
        chunk = max(round(0.02 / self.parameters.timestep), 1)
        period = chunk * self.parameters.timestep
        steps = max(int(np.ceil(trajectory.duration / period)), 1)
        start = self._arm_target()
        if np.abs(start - trajectory.path[0]).max() > 0.02:
            raise SimulationError("the trajectory does not start at the arm's present target; plan it again")
        self.world.hold_hand()
        self._end_grasp()
        for i in range(steps):
            for j in range(chunk):
                self.world.set_arm_target(trajectory.sample(i * period + (j + 1) * self.parameters.timestep))
                self.world.step()
            self._note_force()
            yield (i + 1) / steps

    def settle(self, duration: float = 0.2, *, look: bool = True) -> None:
        """Let the world run for ``duration`` [s] with all targets held, and ``look`` at the end."""
        self.world.step(max(round(duration / self.parameters.timestep), 1))
        if look:
            self.sensors.look()

    def run_hand(self, target: Array, duration: float = 1.0) -> Iterator[float]:
        """Move the fingers to ``target`` (6,) [rad] in straight lines through free space, yielding the progress."""
        self._end_grasp()
        return hand_motion(self.world, target, duration)

    def drive(self, finger_velocity: Array, effort_limit: Array, arm_target: Array, steps: int) -> None:
        """Advance by ``steps`` physics steps under servo commands from elsewhere, outside the decision loop.

        Args:
            finger_velocity: Of the finger targets (6,) [rad/s].
            effort_limit: Largest servo torques (6,) [N m].
            arm_target: Targets of the arm's servos (6,) [rad].
            steps: At least one.
        """
        self.world.set_arm_target(arm_target)
        self.world.drive_hand(finger_velocity, effort_limit, steps * self.parameters.timestep)
        self.world.step(steps)
        self._note_force()

    def end_grasp(self) -> None:
        """End the decision loop without a motion of the bridge's own."""
        self._end_grasp()

    def _end_grasp(self) -> None:
        """Readings from now on are those from which another grasp begins: one stamp never has two of them."""
        self.sensors.grasp = self._grasps

    def _arm_target(self) -> Array:
        return self.world.data.ctrl[self.world.arm_act].copy()

    def _arm_speed_limits(self) -> Array:
        return np.array([j.speed_limit for j in self.world.arm.joints], dtype=float)

    def _hand_pose_at(self, q: Array) -> Array:
        return self.kinematics.hand_pose(q)

    # --- verdict ------------------------------------------------------------------------------------------------

    def stress_test(
        self,
        nominal: bool = True,
        battery: bool = True,
        progress: Callable[[str, int, int], None] | None = None,
        disturbance_scale: float | None = None,
    ) -> StressReport:
        """Judge the grasp after the lift; the world is left in the lifted state.

        Args:
            nominal: Run the nominal test.
            battery: Run the battery.
            progress: Called before every battery test with its name, its index and their number.
            disturbance_scale: Factor on the forces and torques of both, friction drops aside; None is the bridge's.

        Raises:
            ConfigError: If the scale is not a positive number.
        """
        scale = self.disturbance_scale if disturbance_scale is None else _checked_scale(disturbance_scale)
        world = self.world
        rest = self._rest_height if self._rest_height is not None else TABLE_HEIGHT + world.object.half_height
        height = float(world.object_pose()[2, 3] - rest)
        lifted = height >= LIFTED_SHARE * LIFT_HEIGHT and not world.object_on_table()
        if not lifted:
            touching = bool((world.finger_forces() > 0.05).any())
            mode = "lift" if touching or height > 0.005 else "grasp"
            return StressReport(False, height, False, False, 0.0, (), self.peak_force, 0.0, float("nan"), mode)
        pulses = run_nominal(world, scale) if nominal else None
        outcomes = tuple(run_battery(world, progress, scale)) if battery else ()
        survival = float(np.mean([o.survived for o in outcomes])) if outcomes else float("nan")
        if pulses is not None and not pulses.success:
            mode = "slip"
        elif outcomes and survival < 0.5:
            mode = "perturbation"
        else:
            mode = "none"
        return StressReport(
            lifted=True,
            lift_height=height,
            nominal=bool(pulses and pulses.success),
            nominal_12=bool(pulses and pulses.success_12),
            survival=survival,
            tests=outcomes,
            peak_force=max(self.peak_force, pulses.peak_force if pulses else 0.0),
            peak_slip=pulses.peak_slip if pulses else 0.0,
            time_to_slip=pulses.time_to_slip if pulses else float("nan"),
            failure_mode=mode,
        )

    def ground_truth(self, quality: bool = True) -> GroundTruth:
        """Return what only the simulator knows; without ``quality`` epsilon, the slow part, is left at NaN."""
        world = self.world
        all_contacts = world.contacts()
        contacts = [c for c in all_contacts if c.finger >= 0]
        slip = np.zeros(5)
        for c in contacts:
            if c.normal_force > 0.02:
                slip[c.finger] = max(slip[c.finger], c.slip_speed)
        force = world.finger_forces()
        pressing = [c for c in all_contacts if c.normal_force > 0.02]
        epsilon = 0.0 if quality else float("nan")
        if quality and len(pressing) >= 2:
            centre = torch.tensor(world.data.xipos[world.object_body].copy())
            points = torch.tensor(np.stack([c.position for c in pressing]))
            normals = torch.tensor(np.stack([c.normal for c in pressing]))
            epsilon = float(grasp_epsilon(points, normals, world.friction, centre, TORQUE_LENGTH))
        return GroundTruth(
            step=self.step,
            time=world.time,
            T_world_object=world.object_pose(),
            friction_effective=world.friction,
            mass=world.object_mass(),
            finger_force=force,
            touching=force > 0.02,
            slip_speed=slip,
            epsilon=epsilon,
            peak_force=self.peak_force,
        )


def _checked_latency(latency: int) -> int:
    if latency < 0:
        raise ConfigError(f"latency: got {latency} decision steps, expected at least 0")
    return latency


def _checked_scale(scale: float) -> float:
    if not (np.isfinite(scale) and scale > 0):
        raise ConfigError(f"disturbance_scale: got {scale}, expected a positive number")
    return scale
