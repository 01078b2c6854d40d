"""Messages of the bridge from and to the simulation's types."""

from __future__ import annotations

import array
from dataclasses import fields

import numpy as np
import torch
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseWithCovariance, Twist, Vector3
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image
from vnb_msgs.action import StressTest
from vnb_msgs.msg import BatteryTest, GroundTruth, HandCommand, ObjectPose, TactileArray, TactilePad
from vnb_msgs.msg import Scenario as ScenarioMessage

from vnb_grasp.description import FINGERS, CameraDescription, HandDescription
from vnb_grasp.errors import ConfigError
from vnb_grasp.frames.pose import Pose
from vnb_grasp.nodes.conversions import header, in_order, pose_to_message
from vnb_sim_bridge.bridge import GroundTruth as Truth
from vnb_sim_bridge.bridge import SimBridge, StressReport
from vnb_sim_bridge.cameras.rig import DepthFrame
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.sensors.frame import SensorFrame

Array = NDArray[np.float64]


def scenario_to_message(scenario: Scenario) -> ScenarioMessage:
    """Return the message of a scenario: the same fields."""
    message = ScenarioMessage()
    for item in fields(scenario):
        value = getattr(scenario, item.name)
        setattr(message, item.name, list(value) if isinstance(value, tuple) else value)
    return message


def scenario_from_message(message: ScenarioMessage) -> Scenario:
    """Return the scenario of a message; an empty hand is the default one."""
    values = {item.name: getattr(message, item.name) for item in fields(Scenario)}
    values["pose_bias"] = tuple(float(x) for x in message.pose_bias)
    if not message.hand:
        del values["hand"]
    return Scenario(**values)


def object_pose_message(frame: SensorFrame, stamp: Time, object_name: str) -> ObjectPose:
    """Return the pose sensor's reading."""
    pose = PoseWithCovariance(
        pose=pose_to_message(frame.object_pose), covariance=frame.pose_covariance.flatten().tolist()
    )
    return ObjectPose(
        header=header(stamp, "world"),
        step=frame.step,
        object_name=object_name,
        source="sim",
        pose=pose,
        fitness=float("nan"),
        rmse=float("nan"),
        occlusion=frame.occlusion,
        segmentation_confidence=frame.segmentation,
        status=ObjectPose.OK,
    )


def depth_messages(frame: DepthFrame, stamp: Time) -> tuple[CameraInfo, Image]:
    """Return intrinsics and image of a picture: 16UC1, millimetres, 0 where there is nothing (REP 118)."""
    return _image_messages(frame.camera, "depth", frame.depth.astype("<u2"), "16UC1", stamp)


def colour_messages(camera: CameraDescription, pixels: NDArray[np.uint8], stamp: Time) -> tuple[CameraInfo, Image]:
    """Return intrinsics and image of colours (height, width, 3), red first: rgb8."""
    return _image_messages(camera, "color", pixels, "rgb8", stamp)


def _image_messages(
    camera: CameraDescription, kind: str, pixels: NDArray[np.uint8] | NDArray[np.uint16], encoding: str, stamp: Time
) -> tuple[CameraInfo, Image]:
    head = header(stamp, f"{camera.name}_{kind}_optical_frame")
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    info = CameraInfo(
        header=head,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
    image = Image(
        header=head,
        height=camera.height,
        width=camera.width,
        encoding=encoding,
        is_bigendian=0,
        step=pixels[0].nbytes,
        data=array.array("B", pixels.tobytes()),
    )
    return info, image


def tactile_message(frame: SensorFrame, stamp: Time) -> TactileArray:
    """Return the pads' readings."""
    rows, columns = frame.tactile.shape[1:]
    pads = [
        # An array is copied at once; bytes would be checked one by one.
        TactilePad(finger=finger, rows=rows, columns=columns, taxels=array.array("B", pad.tobytes()))
        for finger, pad in zip(FINGERS, frame.tactile, strict=True)
    ]
    return TactileArray(header=header(stamp), step=frame.step, pads=pads)


def ground_truth_message(truth: Truth, bridge: SimBridge, stamp: Time) -> GroundTruth:
    """Return the simulator's truth."""
    world, scenario = bridge.world, bridge.world.scenario
    pose = Pose(torch.from_numpy(truth.T_world_object[:3, 3].copy()), torch.from_numpy(truth.object_quaternion))
    linear, angular = np.split(world.object_twist(), 2)
    return GroundTruth(
        header=header(stamp, "world"),
        step=truth.step,
        object_pose=pose_to_message(pose),
        object_twist=Twist(linear=_vector(linear), angular=_vector(angular)),
        friction_object=scenario.friction_object,
        friction_finger=scenario.friction_finger,
        friction_effective=truth.friction_effective,
        stiffness=scenario.stiffness,
        damping=scenario.damping,
        mass=truth.mass,
        fingers=list(FINGERS),
        finger_force=truth.finger_force.tolist(),
        slip_speed=truth.slip_speed.tolist(),
        epsilon=truth.epsilon,
        peak_force=truth.peak_force,
    )


def _vector(values: Array) -> Vector3:
    x, y, z = values.tolist()
    return Vector3(x=x, y=y, z=z)


def command_from_message(message: HandCommand, hand: HandDescription) -> tuple[Array, Array | None]:
    """Return velocities [rad/s] and effort limits [N m] (None: as before) of a command.

    Raises:
        ConfigError: If the mode is unknown or joints are missing.
        ShapeError: If a length is wrong.
    """
    names = [joint.name for joint in hand.actuated]
    effort = None
    if len(message.effort_limit):
        effort = in_order(names, message.joint_names, message.effort_limit, "hand command, effort limits")
    if message.mode == HandCommand.VELOCITY:
        return in_order(names, message.joint_names, message.velocity, "hand command, velocities"), effort
    if message.mode == HandCommand.HOLD:
        return np.zeros(len(names)), effort
    if message.mode == HandCommand.OPEN:
        return -np.array([joint.speed_limit for joint in hand.actuated]), effort
    raise ConfigError(f"hand command: got mode {message.mode}, expected VELOCITY, HOLD or OPEN")


def fill_stress_result(result: StressTest.Result, report: StressReport) -> None:
    """Write a report into the action's result."""
    result.lifted = report.lifted
    result.lift_height = report.lift_height
    result.nominal_success = report.nominal
    result.nominal_success_12 = report.nominal_12
    result.survival = report.survival
    result.tests = [
        BatteryTest(
            name=t.name, survived=bool(t.survived), drop=t.drop, displacement=t.displacement, rotation=t.rotation
        )
        for t in report.tests
    ]
    result.peak_force = report.peak_force
    result.failure_mode = report.failure_mode
    result.creep = float("nan")
    result.time_to_slip = report.time_to_slip
    result.peak_slip = report.peak_slip
