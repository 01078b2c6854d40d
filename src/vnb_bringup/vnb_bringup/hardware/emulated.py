"""Emulated hand and arm with one world behind both, reachable from this machine only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from vnb_bringup.hardware.plant import WorldPlant
from vnb_bringup.hardware.roster import Connections
from vnb_hardware.emulators.arm.emulator import ArmEmulator
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.server import HandServer, SlcanPort
from vnb_sim_bridge.bridge import SimBridge

EMULATED_DEADLINES: Mapping[str, Mapping[str, float]] = {
    "hand_driver": {
        "driver.silence": 8.0,
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
        "driver.workspace.clearance": 0.0,  # pre-grasps of low objects come within a millimetre of the table
        "supervisor_timeout": 10.0,
    },
    "supervisor": {"hand_deadline": 10.0, "tactile_deadline": 10.0, "arm_deadline": 10.0, "planner_deadline": 60.0},
    "decision": {"max_age": 8.0, "margin": 0.06, "settle": 1.0, "patience": 60.0},
    "planner": {"data_timeout": 60.0, "begin_timeout": 60.0},
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
        connections: Where drivers find them.
    """

    plant: WorldPlant
    hand: EmulatedHand
    arm: ArmEmulator
    connections: Connections


@contextmanager
def emulated_robot(bridge: SimBridge) -> Iterator[EmulatedRobot]:
    """Yield emulated devices that move the bridge's world; at the end nothing is left of them.

    Args:
        bridge: Its hand's variant is also the name of the joint table.
    """
    with ExitStack() as stack:
        plant = WorldPlant(bridge)
        stack.callback(plant.close)
        hand, port = EmulatedHand(bridge.world.hand.name, plant.hand), SlcanPort()
        stack.enter_context(HandServer(hand, port))
        arm = stack.enter_context(ArmEmulator(ports=(0, 0, 0, 0), start=bridge.world.arm_q(), plant=plant.drive_arm))
        rpc_port, stream_port, _, text_port = arm.ports
        yield EmulatedRobot(
            plant, hand, arm, Connections("slcan", port.path, arm.host, (rpc_port, stream_port, text_port))
        )
