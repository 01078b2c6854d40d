"""What the controller's return codes mean, and which error each becomes."""

from __future__ import annotations

from vnb_grasp.errors import DeviceFaultError, HardwareError, HoldError, MotionError, VnbError

OK = 0
WRONG_COUNT = 3
OUT_OF_RANGE = 4
REFUSED = 14
NO_SOLUTION = 28
SERVO_OVERRUN = 29
NOT_RESETTABLE = 30
SINGULAR = 38
SAFETY_STOP = 99
UNREACHABLE = 112

TEXTS = {
    WRONG_COUNT: "wrong number of parameters",
    OUT_OF_RANGE: "parameter out of range",
    8: "trajectory file cannot be opened",
    REFUSED: "execution refused",
    18: "a program is running; stop it at the pendant",
    25: "computation failed",
    NO_SOLUTION: "inverse kinematics found no solution",
    SERVO_OVERRUN: "a streamed joint target overran its limits",
    NOT_RESETTABLE: "fault that only a power cycle clears",
    SINGULAR: "singular pose",
    64: "command was not queued",
    74: "target point of the line is wrong",
    75: "channel fault",
    76: "timeout while waiting",
    SAFETY_STOP: "safety stop is active; clear it and reset the errors",
    UNREACHABLE: "pose cannot be reached",
}

_MOTION = frozenset({25, NO_SOLUTION, SERVO_OVERRUN, SINGULAR, 74, UNREACHABLE})
_FAULT = frozenset({REFUSED, NOT_RESETTABLE, 75})


def error_of(method: str, code: int) -> VnbError:
    """Return the error that a non-zero return ``code`` of ``method`` means."""
    text = f"{method}: the controller answered {code} ({TEXTS.get(code, 'not documented')}), expected 0"
    if code in _MOTION:
        return MotionError(f"{text}; choose another goal")
    if code == SAFETY_STOP:
        return HoldError(text)
    if code in _FAULT:
        return DeviceFaultError(f"{text}; read the controller's errors, reset them and enable again")
    return HardwareError(text)
