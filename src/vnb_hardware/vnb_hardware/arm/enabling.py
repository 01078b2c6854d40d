"""Switch the drives on without a motion, and tell from the state stream whether they are and stay so."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from vnb_grasp.errors import DeviceFaultError, HardwareError, HoldError, VnbError
from vnb_hardware.arm.agreement import JOINTS_TOLERANCE
from vnb_hardware.arm.controller import Controller
from vnb_hardware.arm.state import AUTO_MODE, ArmState

STILL = 0.01
"""Joint speed below which the arm stands [rad/s]."""

_ENABLE_TIME = 3.0
_RESET_TIME = 1.0
_POLL = 0.01

States = Callable[[], ArmState]
"""Returns the latest state; raises :class:`SilenceError` if it is too old."""


def switch_on(controller: Controller, states: States) -> None:
    """Switch the drives on at the measured pose, with nothing left to run.

    Raises:
        DeviceFaultError: If the drives are not on in automatic mode in time.
        HardwareError: If the arm moved meanwhile.
    """
    before = states().position
    controller.stop()
    controller.set_automatic()
    controller.enable()
    ready = _await(states, lambda s: s.enabled and s.mode == AUTO_MODE and s.speed < STILL, _ENABLE_TIME)
    if ready is None:
        raise DeviceFaultError(f"arm: drives are not on and in automatic mode after {_ENABLE_TIME} s; see the pendant")
    moved = float(np.abs(ready.position - before).max())
    if moved > JOINTS_TOLERANCE:
        controller.stop()
        raise HardwareError(f"arm: moved by {moved:.3f} rad while it was enabled; it is on hold")


def why_not_ready(state: ArmState) -> VnbError | None:
    """Return what in a state forbids motion although the drives had been switched on; None if nothing does."""
    if state.faults:
        return DeviceFaultError(f"arm: {'; '.join(state.faults)}: cure it, reset the errors, enable again")
    if not state.enabled:
        return DeviceFaultError("arm: the drives were switched off; enable again")
    if state.mode != AUTO_MODE:
        return HoldError("arm: switched to manual mode at the pendant; enable again")
    return None


def reset(controller: Controller, states: States) -> None:
    """Clear the controller's errors; raises :class:`DeviceFaultError` if a fault remains."""
    controller.reset_errors()
    if _await(states, lambda s: not s.faults, _RESET_TIME) is None:
        raise DeviceFaultError(f"arm: after the reset: {'; '.join(states().faults)}")


def _await(states: States, condition: Callable[[ArmState], bool], timeout: float) -> ArmState | None:
    begin = time.monotonic()
    while time.monotonic() < begin + timeout:
        state = states()
        if state.received > begin and condition(state):
            return state
        time.sleep(_POLL)
    return None
