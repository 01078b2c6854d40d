"""The thread that stops: once where it gets through, until it does where not, and whoever listens cannot end it."""

from __future__ import annotations

import threading

import pytest

from vnb_grasp.errors import DeviceFaultError, LinkError, VnbError
from vnb_hardware.arm.stopper import Stopper, insist
from vnb_hardware.emulators.arm.testing import until

FAULT = DeviceFaultError("collision")


class Arm:
    """Refuses the first ``refusals`` stops."""

    def __init__(self, refusals: int = 0, error: Exception | None = None) -> None:
        self._error = error or LinkError("not confirmed")
        self.stops = 0
        self.told: list[VnbError] = []
        self._refusals = refusals

    def stop(self) -> None:
        self.stops += 1
        if self.stops <= self._refusals:
            raise self._error


def test_one_fault_is_one_stop_and_then_told() -> None:
    arm = Arm()
    stopper = Stopper(arm.stop, lambda error: arm.told.append(error))
    stopper.ask(FAULT)
    until(lambda: arm.told)
    assert arm.told == [FAULT]
    stopper.close(2.0)
    assert arm.stops == 1


def test_a_stop_is_repeated_until_it_gets_through_and_told_once() -> None:
    arm = Arm(refusals=3)
    stopper = Stopper(arm.stop, lambda error: arm.told.append(error))
    stopper.ask(FAULT)
    until(lambda: arm.stops == 4)
    stopper.close(2.0)
    assert arm.stops == 4
    assert [str(error) for error in arm.told] == ["collision AND not confirmed"]


def test_a_last_stop_is_insisted_on_and_its_failure_is_an_error() -> None:
    arm = Arm(refusals=2)
    insist(arm.stop, 10.0)
    assert arm.stops == 3
    with pytest.raises(LinkError, match="not confirmed"):
        insist(Arm(refusals=10**6).stop, 0.2)


def test_a_bug_in_the_stop_does_not_end_the_trying() -> None:
    arm = Arm(refusals=2, error=RuntimeError("a bug"))
    stopper = Stopper(arm.stop, lambda error: arm.told.append(error))
    stopper.ask(FAULT)
    until(lambda: arm.stops == 3)
    stopper.close(2.0)
    assert [str(error) for error in arm.told] == ["collision AND the stop failed: RuntimeError: a bug"]


def test_who_listens_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    arm = Arm()
    stopper = Stopper(arm.stop, lambda error: arm.told[0])
    stopper.ask(FAULT)
    stopper.ask(FAULT)
    until(lambda: arm.stops == 2)
    stopper.close(2.0)
    assert "IndexError" in caplog.text


def test_closing_serves_what_was_asked_and_ends_although_no_stop_gets_through() -> None:
    arm = Arm(refusals=10**6)
    stopper = Stopper(arm.stop, None)
    stopper.ask(FAULT)
    stopper.close(5.0)
    assert arm.stops >= 1
    assert not any(thread.name == "arm-stop" and thread.is_alive() for thread in threading.enumerate())
