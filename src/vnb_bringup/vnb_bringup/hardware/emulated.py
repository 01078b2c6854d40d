"""Emulated hand, arm and cameras with one world behind them, reachable from this machine only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from vnb_bringup.hardware.cameras import DrawnCameras, snapshot_of
from vnb_bringup.hardware.plant import WorldPlant
from vnb_bringup.hardware.roster import CAMERA_DRIVERS, CameraConnections, Connections, emulated_cameras
from vnb_hardware.emulators.arm.emulator import ArmEmulator
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.server import HandServer, SlcanPort
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.cameras.rig import CAMERAS

EMULATED_DEADLINES: Mapping[str, Mapping[str, float]] = {
    "hand_driver": {
        "driver.silence": 8.0,
        "driver.tactile_silence": 8.0,
        "driver.patience": 60.0,
        "driver.stuck_time": 12.0,
        "bus.send_timeout": 5.0,
        "command_age": 60.0,
        "supervisor_timeout": 10.0,
    },
    "arm_driver": {
        "driver.stale_after": 8.0,
        "driver.timeout": 5.0,
        "driver.stall_after": 30.0,
        "driver.deviation": 0.5,
        "command_age": 60.0,
        "driver.workspace.clearance": 0.0,  # pre-grasps of low objects come within a millimetre of the table
        "supervisor_timeout": 10.0,
    },
    "supervisor": {"hand_deadline": 10.0, "tactile_deadline": 10.0, "arm_deadline": 10.0, "planner_deadline": 60.0},
    "decision": {"max_age": 8.0, "margin": 0.06, "settle": 1.0, "patience": 60.0},
    "planner": {"data_timeout": 60.0, "begin_timeout": 60.0},
    **{
        name: {"max_age": 8.0, "silence": 10.0, "streams.color_width": 0, "streams.color_height": 0}
        for name in CAMERA_DRIVERS
    },
    **{f"{camera}_pose_estimator": {"max_age": 8.0, "track_within": 4.0} for camera in CAMERAS},
    "pose_fusion": {"fusion.fresh": 8.0, "fusion.hold": 60.0},
}
"""Parameters of nodes against emulated devices: these share the machine with the planner, and answer late when it is
busy. Real devices keep their own time, and the nodes' defaults are for them."""


@dataclass(frozen=True)
class EmulatedRobot:
    """The emulated devices.

    Attributes:
        plant: The world.
        hand: The hand, whose faults can be switched.
        arm: The arm, likewise.
        cameras: The cameras, likewise; None if there are none.
        connections: Where drivers find them.
    """

    plant: WorldPlant
    hand: EmulatedHand
    arm: ArmEmulator
    cameras: DrawnCameras | None
    connections: Connections


@contextmanager
def emulated_robot(bridge: SimBridge, cameras: bool = False) -> Iterator[EmulatedRobot]:
    """Yield emulated devices that move the bridge's world; at the end nothing is left of them.

    Args:
        bridge: Its hand's variant is also the name of the joint table.
        cameras: Whether there are cameras, too, that see the world.

    Raises:
        RenderError: If there should be cameras, and this machine cannot draw.
    """
    with ExitStack() as stack:
        plant = WorldPlant(bridge)
        stack.callback(plant.close)
        hand, port = EmulatedHand(bridge.world.hand.name, plant.hand), SlcanPort()
        stack.enter_context(HandServer(hand, port))
        arm = stack.enter_context(ArmEmulator(ports=(0, 0, 0, 0), start=bridge.world.arm_q(), plant=plant.drive_arm))
        rpc_port, stream_port, _, text_port = arm.ports
        drawn, seen = None, CameraConnections()
        if cameras:
            drawn = stack.enter_context(DrawnCameras(lambda: plant.run(lambda: snapshot_of(plant.bridge.world))))
            seen = emulated_cameras(drawn.server.address)
        ports = (rpc_port, stream_port, text_port)
        yield EmulatedRobot(plant, hand, arm, drawn, Connections("slcan", port.path, arm.host, ports, cameras=seen))
