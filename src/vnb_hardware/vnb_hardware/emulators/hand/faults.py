"""What can go wrong with an emulated hand, switched on and off while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from vnb_grasp.errors import ConfigError

NAMES = (
    "silent",
    "drop_rows",
    "imposters",
    "foreign",
    "stuck",
    "fault_bits",
    "hot",
    "swap_fingers",
    "delay",
    "bus_off",
)
"""Faults by the names that the command line takes."""


@dataclass
class HandFaults:
    """Faults of an emulated hand; all off at first.

    Attributes:
        silent: It answers nothing.
        drop_rows: Share of tactile rows that it does not send.
        imposters: With each pad it also sends an eight-byte frame of the position type full of zeros.
        foreign: With each position it also sends frames of other ids, types and lengths.
        stuck: Joints (description order) whose motor is dead: no motion, no current.
        fault_bits: By joint.
        temperature: By joint [degC]; others are at 35.
        swap_fingers: Ring and pinky answer for each other.
        delay: Every answer comes so much later [s].
        bus_off: Nothing is heard or sent, and the bus reports an error.
    """

    silent: bool = False
    drop_rows: float = 0.0
    imposters: bool = False
    foreign: bool = False
    stuck: set[int] = field(default_factory=set)
    fault_bits: dict[int, int] = field(default_factory=dict)
    temperature: dict[int, int] = field(default_factory=dict)
    swap_fingers: bool = False
    delay: float = 0.0
    bus_off: bool = False

    def switch(self, name: str) -> None:
        """Switch a fault on by its name, with a typical value.

        Raises:
            ConfigError: If there is no such fault.
        """
        index = 3  # the middle finger
        typical = {
            "drop_rows": 0.3,
            "stuck": {index},
            "fault_bits": {index: 1},
            "temperature": {index: 80},
            "delay": 0.3,
        }
        attribute = "temperature" if name == "hot" else name
        if name not in NAMES:
            raise ConfigError(f"fault: got {name!r}, expected one of {', '.join(NAMES)}")
        setattr(self, attribute, typical.get(attribute, True))
