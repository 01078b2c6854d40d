"""The simulated robot: publishes its sensors, takes hand commands, moves arm and hand, and tests what is held."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from vnb_msgs.msg import GroundTruth, HandCommand, ObjectPose, TactileArray
from vnb_msgs.srv import ApplyWrench, BeginGrasp, ResetWorld, SetObject, SetPause, StepSimulation

from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import Refusal, VnbNode, fill
from vnb_grasp.nodes.conversions import (
    joint_state,
    require_finite_array,
    require_pose,
    stamp_from_seconds,
    vector_to_array,
)
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_sim_bridge.bridge import CAMERA_PERIOD, SimBridge
from vnb_sim_bridge.cameras.rig import CAMERAS
from vnb_sim_bridge.cameras.source import CameraImages
from vnb_sim_bridge.nodes import messages
from vnb_sim_bridge.nodes.motions import MotionServers
from vnb_sim_bridge.scenario import Scenario, draw_scenario
from vnb_sim_bridge.sensors.frame import SensorFrame
from vnb_sim_bridge.sensors.pose import POSE_SOURCES, PoseSensor
from vnb_sim_bridge.world.parameters import WorldParameters

R = TypeVar("R")


@dataclass(frozen=True)
class SimBridgeConfig:
    """Parameters of the node."""

    object_name: str = parameter("mustard_bottle", "object on the table until the first reset")
    hand: str = parameter("l6_v31", "hand variant until the first reset")
    regime: str = parameter("nominal", "friction regime that the first scenario is drawn from")
    seed: int = parameter(0, "seed of the first scenario", 0)
    lockstep: bool = parameter(
        True, "true: time advances by one decision period per command; false: with the wall clock, late commands hold"
    )
    parameters: WorldParameters = field(default_factory=WorldParameters)
    latency: int = parameter(0, "decision steps by which commands reach the fingers late", 0)
    disturbance_scale: float = parameter(1.0, "factor on the forces and torques of the stress test")
    pose_source: str = parameter(
        "sensor", "sensor: the bridge publishes object_pose; cameras: it publishes depth images, from which others do"
    )
    camera_period: int = parameter(CAMERA_PERIOD, "decision steps from one image to the next", 1)
    color: bool = parameter(
        False, "with pose_source cameras: offer <camera>/color/image_raw; drawn only while somebody listens"
    )


class SimBridgeNode(VnbNode):
    """Wraps a :class:`SimBridge`; every access to it runs in one worker thread, in order.

    Args:
        make_bridge: Makes the bridge of the first scenario; called with it and, by name, with the node's
            ``parameters``, ``latency`` and ``disturbance_scale``.
        options: For the node.

    Raises:
        ConfigError: If a parameter is out of range.
        UnknownNameError: If object, hand or regime are not known.
    """

    def __init__(self, make_bridge: Callable[..., SimBridge] = SimBridge, **options: Any) -> None:
        super().__init__("sim_bridge", **options)
        self.config = declare(self, SimBridgeConfig)
        config = self.config
        if config.pose_source not in POSE_SOURCES:
            raise UnknownNameError("pose source", config.pose_source, POSE_SOURCES)
        scenario = draw_scenario(config.object_name, config.regime, config.seed, config.hand)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="world")
        make_bridge = partial(
            make_bridge,
            parameters=config.parameters,
            latency=config.latency,
            disturbance_scale=config.disturbance_scale,
            make_pose_source=CameraImages if config.pose_source == "cameras" else PoseSensor,
            camera_period=config.camera_period,
        )
        self.bridge = self.in_world(make_bridge, scenario)
        self.moving = ""
        self._deciding = False
        self._paused = False
        self._pending: HandCommand | None = None
        self._tick_queued = False
        self._idle_ticks = 0
        self._make_publishers()
        self._make_servers()
        self.in_world(self.publish_idle)
        if not config.lockstep:
            self.create_timer(
                self.bridge.parameters.decision_period, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )

    def _make_publishers(self) -> None:
        self._clock_out = self.create_publisher(ClockMessage, "/clock", qos.CLOCK)
        self._truth_out = self.create_publisher(GroundTruth, "ground_truth", qos.CHAIN)
        self._hand_out = self.create_publisher(JointState, "hand/joint_states", qos.CHAIN)
        self._target_out = self.create_publisher(JointState, "hand/target", qos.CHAIN)
        self._arm_out = self.create_publisher(JointState, "arm/joint_states", qos.CHAIN)
        self._tactile_out = self.create_publisher(TactileArray, "hand/tactile", qos.CHAIN)
        self._target_object_out = self.create_publisher(String, "target_object", qos.LATCHED)
        self._target_object = ""
        self._camera_out: dict[str, tuple[Publisher, Publisher]] = {}
        self._color_out: dict[str, tuple[Publisher, Publisher]] = {}
        if self.config.pose_source == "cameras":
            for camera in CAMERAS:
                self._camera_out[camera] = (
                    self.create_publisher(CameraInfo, f"{camera}/depth/camera_info", qos.CHAIN),
                    self.create_publisher(Image, f"{camera}/depth/image_rect_raw", qos.IMAGES),
                )
                if self.config.color:
                    self._color_out[camera] = (
                        self.create_publisher(CameraInfo, f"{camera}/color/camera_info", qos.VIEW),
                        self.create_publisher(Image, f"{camera}/color/image_raw", qos.VIEW),
                    )
        else:
            self._pose_out = self.create_publisher(ObjectPose, "object_pose", qos.CHAIN)

    def _make_servers(self) -> None:
        self.create_subscription(
            HandCommand, "hand/command", self._on_command, qos.COMMAND, callback_group=MutuallyExclusiveCallbackGroup()
        )
        group = ReentrantCallbackGroup()
        for kind, name, serve in (
            (ResetWorld, "~/reset", self._serve_reset),
            (SetPause, "~/pause", self._serve_pause),
            (StepSimulation, "~/step", self._serve_step),
            (ApplyWrench, "~/apply_wrench", self._serve_wrench),
            (SetObject, "~/set_object", self._serve_object),
            (BeginGrasp, "begin_grasp", self._serve_begin),
        ):
            self.create_service(kind, name, serve, callback_group=group)
        self._motions = MotionServers(self, group)

    # --- the world's thread ---------------------------------------------------------------------------------------

    def in_world(self, job: Callable[..., R], *arguments: Any) -> R:
        """Run a job in the world's thread and return its result; jobs run one at a time, in order."""
        return self._worker.submit(job, *arguments).result()

    def close(self) -> None:
        """See :class:`VnbNode`; the fingers keep their last targets."""
        if not self.closing.is_set():
            self._worker.submit(self.bridge.close)
        super().close()
        self._worker.shutdown(wait=True)

    def claim(self, what: str) -> None:
        """Reserve the robot for a motion, which ends the decision loop; in the world's thread.

        Raises:
            Refusal: If another motion is running.
        """
        self.refuse_while_moving(what)
        self.moving = what
        self._deciding = False

    def release(self) -> None:
        """End a motion; in the world's thread."""
        self.moving = ""
        if self._camera_out:
            # A motion ends without pictures; readings that ask for a pose are published where one is looked for.
            self.publish_joints()
        else:
            self.publish_idle()

    def refuse_while_moving(self, what: str) -> None:
        """Raise :class:`Refusal` if a motion is running."""
        if self.moving:
            raise Refusal(f"{what}: {self.moving} is running; wait for its result or cancel it")

    # --- the decision loop ----------------------------------------------------------------------------------------

    def _on_command(self, message: HandCommand) -> None:
        with self.border():
            self._worker.submit(self._take, message)

    def _take(self, message: HandCommand) -> None:
        with self.border():
            if not self._deciding:
                raise Refusal(f"hand command of step {message.step}: no grasp is in progress; call begin_grasp first")
            if message.mode == HandCommand.HOLD and self._pending is not None:
                self._pending = message  # a motion that waits for the end of a pause no longer happens
                return
            if message.step != self.bridge.step:
                raise Refusal(
                    f"hand command of step {message.step}: the bridge waits for step {self.bridge.step}; the hand holds"
                )
            self._pending = message
            if self.config.lockstep and not self._paused:
                self._advance()

    def _advance(self) -> None:
        """Apply the pending command, or hold, for one decision period and publish the next step's readings."""
        message, self._pending = self._pending, None
        if message is None:
            message = HandCommand(mode=HandCommand.HOLD)
        velocity, effort = messages.command_from_message(message, self.bridge.world.hand)
        lift = message.lift_speed if message.mode == HandCommand.VELOCITY else 0.0
        self._publish(self.bridge.decide(self.bridge.step, velocity, effort, lift))

    def _on_timer(self) -> None:
        if not self._tick_queued:
            self._tick_queued = True
            with self.border():
                self._worker.submit(self._tick)

    def _tick(self) -> None:
        self._tick_queued = False
        with self.border():
            if self._paused or self.moving:
                return
            if self._deciding:
                self._advance()
            else:
                self._idle_ticks += 1
                look = self._idle_ticks % self.config.camera_period == 0
                self.bridge.settle(self.bridge.parameters.decision_period, look=look)
                self.publish_idle()

    # --- publishing -----------------------------------------------------------------------------------------------

    def publish_idle(self) -> None:
        """Publish all readings as those of a step 0: a grasp that began now would start from them."""
        self.bridge.sensors.reset()
        self._publish(self.bridge.sensors.read(0))

    def publish_joints(self) -> None:
        """Publish clock and joints during a motion."""
        world = self.bridge.world
        stamp = stamp_from_seconds(world.time)
        self._clock_out.publish(ClockMessage(clock=stamp))
        self._arm_out.publish(joint_state(stamp, world.arm.joint_names, world.arm_q()))
        self._hand_out.publish(joint_state(stamp, world.hand.joint_names, world.hand_q(), world.hand_qd()))

    def _publish(self, frame: SensorFrame) -> None:
        world = self.bridge.world
        stamp = stamp_from_seconds(frame.time)
        actuated = [joint.name for joint in world.hand.actuated]
        self._clock_out.publish(ClockMessage(clock=stamp))
        if world.object.name != self._target_object:
            self._target_object = world.object.name
            self._target_object_out.publish(String(data=self._target_object))
        self._truth_out.publish(messages.ground_truth_message(self.bridge.ground_truth(), self.bridge, stamp))
        self._arm_out.publish(joint_state(stamp, world.arm.joint_names, frame.arm_q))
        self._target_out.publish(joint_state(stamp, actuated, frame.hand_target))
        self._hand_out.publish(joint_state(stamp, world.hand.joint_names, frame.hand_q, frame.hand_qd))
        if self._camera_out:
            self._publish_images(stamp)
        else:
            self._pose_out.publish(messages.object_pose_message(frame, stamp, world.object.name))
        self._tactile_out.publish(messages.tactile_message(frame, stamp))

    def _publish_images(self, stamp: Time) -> None:
        source = self.bridge.sensors.pose
        if not isinstance(source, CameraImages):
            return
        for picture in source.fetch():
            outs = self._camera_out[picture.camera.name]
            for out, message in zip(outs, messages.depth_messages(picture, stamp), strict=True):
                out.publish(message)
            colour_outs = self._color_out.get(picture.camera.name)
            if colour_outs and any(out.get_subscription_count() for out in colour_outs):
                colours = messages.colour_messages(picture.camera, source.colour(picture.camera), stamp)
                for out, message in zip(colour_outs, colours, strict=True):
                    out.publish(message)

    # --- services -------------------------------------------------------------------------------------------------

    def _serve_reset(self, request: ResetWorld.Request, response: ResetWorld.Response) -> ResetWorld.Response:
        with self.border(fill(response)):
            if request.use_scenario:
                scenario = messages.scenario_from_message(request.scenario)
            else:
                hand = request.hand or self.config.hand
                scenario = draw_scenario(request.object_name, request.regime, request.seed, hand)
            self.in_world(self._reset, scenario)
            response.scenario = messages.scenario_to_message(scenario)
        return response

    def _reset(self, scenario: Scenario) -> None:
        self.refuse_while_moving("reset")
        self._deciding = False
        self._pending = None
        self.bridge.reset(scenario)
        self.publish_idle()

    def _serve_pause(self, request: SetPause.Request, response: SetPause.Response) -> SetPause.Response:
        with self.border(fill(response)):
            self.in_world(self._pause, request.paused)
        return response

    def _pause(self, paused: bool) -> None:
        self.refuse_while_moving("pause")
        self._paused = paused
        if not paused and self.config.lockstep and self._pending is not None:
            self._advance()

    def _serve_step(
        self, request: StepSimulation.Request, response: StepSimulation.Response
    ) -> StepSimulation.Response:
        with self.border(fill(response)):
            self.in_world(self._step, request.steps)
        return response

    def _step(self, steps: int) -> None:
        self.refuse_while_moving("step")
        if not (self.config.lockstep or self._paused):
            raise Refusal("step: time runs with the wall clock; pause it first")
        if self._deciding and not self._paused:
            raise Refusal("step: a grasp is in progress, each of its steps answers a command; pause it first")
        if steps < 1:
            raise ConfigError(f"step: got {steps} decision periods, expected at least 1")
        if self._deciding:
            for _ in range(steps):
                self._advance()
        else:
            self.bridge.settle(steps * self.bridge.parameters.decision_period)
            self.publish_idle()

    def _serve_wrench(self, request: ApplyWrench.Request, response: ApplyWrench.Response) -> ApplyWrench.Response:
        with self.border(fill(response)):
            wrench = vector_to_array(request.wrench.force, request.wrench.torque)
            require_finite_array(np.append(wrench, request.duration), "wrench and duration")
            if request.duration <= 0:
                raise ConfigError(f"apply wrench: got a duration of {request.duration} s, expected more than 0")
            self.in_world(lambda: self.bridge.world.push(request.body or "object", wrench, request.duration))
        return response

    def _serve_object(self, request: SetObject.Request, response: SetObject.Response) -> SetObject.Response:
        with self.border(fill(response)):
            pose = require_pose(request.pose, "object pose")
            twist = require_finite_array(vector_to_array(request.twist.linear, request.twist.angular), "object twist")
            self.in_world(self._set_object, request.object_name, pose.position.numpy(), pose.quaternion.numpy(), twist)
        return response

    def _set_object(self, name: str, position: Any, quaternion: Any, twist: Any) -> None:
        present = self.bridge.world.object.name
        if name not in ("", present):
            raise UnknownNameError("object of the present scenario", name, [present])
        self.bridge.world.set_object_pose(position, quaternion, twist)
        self.bridge.sensors.look()
        if not self._deciding and not self.moving:
            self.publish_idle()

    def _serve_begin(self, request: BeginGrasp.Request, response: BeginGrasp.Response) -> BeginGrasp.Response:
        with self.border(fill(response)):
            frame = self.in_world(self._begin)
            response.stamp = stamp_from_seconds(frame.time)
        return response

    def _begin(self) -> SensorFrame:
        self.refuse_while_moving("begin_grasp")
        frame = self.bridge.begin_grasp()
        self._pending = None
        self._deciding = True
        self._publish(frame)
        return frame


def main() -> int:
    """Run the node."""
    return run_node(SimBridgeNode)


if __name__ == "__main__":
    sys.exit(main())
