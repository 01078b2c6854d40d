"""An FR3 controller: XML-RPC, both state streams and kinematics."""

from vnb_hardware.emulators.arm.emulator import PORTS, ArmEmulator
from vnb_hardware.emulators.arm.faults import FAULTS

__all__ = ["FAULTS", "PORTS", "ArmEmulator"]
