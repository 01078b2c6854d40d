"""What can go wrong with emulated cameras, switched on and off while they run."""

from __future__ import annotations

from dataclasses import dataclass

from vnb_grasp.errors import ConfigError

NAMES = ("stall", "unplug", "wrong_size", "stale", "garbage")
"""Faults by the names that the command line takes."""


@dataclass
class CameraFaults:
    """Faults of an emulated camera; all off at first.

    Attributes:
        stall: It stays connected and sends nothing.
        unplug: Its connections are closed, and it is not found.
        wrong_size: Its images have half the height and width that were asked for.
        stale: Its images are stamped so much too early [s].
        garbage: It sends bytes that are no images.
    """

    stall: bool = False
    unplug: bool = False
    wrong_size: bool = False
    stale: float = 0.0
    garbage: bool = False

    def switch(self, name: str) -> None:
        """Switch a fault on by its name, with a typical value.

        Raises:
            ConfigError: If there is no such fault.
        """
        if name not in NAMES:
            raise ConfigError(f"fault: got {name!r}, expected one of {', '.join(NAMES)}")
        setattr(self, name, 5.0 if name == "stale" else True)

    def clear(self) -> None:
        """Switch all faults off."""
        self.stall = self.unplug = self.wrong_size = self.garbage = False
        self.stale = 0.0
