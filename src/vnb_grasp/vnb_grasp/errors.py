"""The project's exception tree. Messages say what, got, expected, and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class VnbError(Exception):
    """Root of every error that this project raises on purpose.

    Attributes:
        code: Error code that nodes put into action results and statuses (``vnb_msgs/ErrorCode``).
    """

    code: int = 1


class UnknownNameError(VnbError):
    """A name (object, method, hand, ...) is not registered. Lists the known ones."""

    code = 10

    def __init__(self, what: str, got: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {what}: got {got!r}, expected one of: {', '.join(sorted(known))}")


class DescriptionError(VnbError):
    """A description file (hand, arm, object) is incomplete or contradicts itself."""

    code = 11


class ConfigError(VnbError):
    """A parameter is out of range or parameters contradict each other."""

    code = 12


class ShapeError(VnbError):
    """A tensor has another shape than the function needs."""

    code = 13


class NonFiniteError(VnbError):
    """A value is NaN or infinite. Never repaired in silence."""

    code = 20


class PerceptionError(VnbError):
    """An image, a mesh or an estimate cannot be used. Says which camera or file, and why."""

    code = 21


class CheckpointError(VnbError):
    """A checkpoint has another layout or version than this code, or is damaged."""

    code = 30


class DeadlineError(VnbError):
    """A computation did not finish in its time budget."""

    code = 40


class MotionError(VnbError):
    """An arm motion cannot be planned or executed (unreachable, in collision, at a limit)."""

    code = 50


class SimulationError(VnbError):
    """The simulation diverged or was driven outside its protocol."""

    code = 60


class HardwareError(VnbError):
    """A device or its driver cannot do what is asked. Root of the errors of the drivers."""

    code = 70


class LinkError(HardwareError):
    """The connection to a device cannot be opened, is lost, or carries nonsense."""

    code = 71


class SilenceError(HardwareError):
    """A device does not answer, or its data are older than allowed."""

    code = 72


class DeviceFaultError(HardwareError):
    """A device reports a fault of its own (overcurrent, over-temperature, safety stop, ...)."""

    code = 73


class HoldError(HardwareError):
    """Motion is refused because the device is on hold or the emergency stop is latched."""

    code = 74


class BagError(VnbError):
    """A bag is damaged, foreign, or recorded with other message definitions."""

    code = 90
