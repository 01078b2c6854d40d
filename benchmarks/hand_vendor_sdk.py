"""Drive the emulated hand by the vendor's own Python SDK: what it accepts, a driver for the real hand may be tried on.

Usage, with the packages on PYTHONPATH: ``python benchmarks/hand_vendor_sdk.py FOLDER``, where FOLDER holds the vendor's
package ``realhand`` (RealHand-Robotics/realbot-python-sdk, ``src``; MIT, not part of this project). Prints one markdown
row per step, on a bus within this process and behind a pseudo-terminal that speaks slcan; exits with 1 if a step fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vnb_hardware.emulators.hand.hand import SERIAL, EmulatedHand
from vnb_hardware.emulators.hand.plant import FreeFingers
from vnb_hardware.emulators.hand.server import HandServer, Port, SlcanPort, VirtualPort
from vnb_hardware.hand.joints import load_table

PATIENCE = 5000.0
"""Longest wait for an answer [ms]; the SDK's own 100 ms are for a computer that has nothing else to do."""


class Session:
    """The SDK and the hand that it drives.

    Args:
        sdk: The SDK's hand.
        hand: The emulated hand.
    """

    def __init__(self, sdk: Any, hand: EmulatedHand) -> None:
        self.sdk, self.hand = sdk, hand
        self.failed = 0

    def step(self, what: str, call: Callable[[], Any], right: Callable[[Any], bool]) -> None:
        """Make one call and print whether its answer is right."""
        try:
            answer = call()
            good = right(answer)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the finding
            answer, good = f"{type(error).__name__}: {error}", False
        self.failed += not good
        answer = f"sums {answer.sum(axis=(1, 2)).tolist()}" if isinstance(answer, np.ndarray) else answer
        text = str(answer).replace("\n", " ").replace("|", "/")
        print(f"| {what} | {'yes' if good else 'NO'} | {text[:90]} |", flush=True)

    def angles(self) -> list[float]:
        """Ask for the angles [%], 100 = open."""
        return list(self.sdk.angle.get_blocking(PATIENCE).angles.to_list())

    def run(self) -> int:
        """Make all steps; return how many failed."""
        self._identity()
        self._motion()
        self._health()
        self._touch()
        return self.failed

    def _identity(self) -> None:
        self.step(
            "serial number and versions",
            self._device_info,
            lambda info: info.serial_number.startswith(SERIAL.decode()) and info.firmware_version.major == 3,
        )

    def _device_info(self) -> Any:
        """Ask until the SDK is content: it gives every answer 20 ms, which a busy computer may not have."""
        for _ in range(20):
            try:
                return self.sdk.version.get_device_info()
            except Exception:  # noqa: BLE001 - the SDK's own kind
                time.sleep(0.1)
        return self.sdk.version.get_device_info()

    def _motion(self) -> None:
        goal = [80.0, 70.0, 60.0, 50.0, 40.0, 30.0]
        self.step("angles of an open hand", self.angles, lambda got: min(got) > 99)
        self.step("set speeds", lambda: self.sdk.speed.set_speeds([100.0] * 6), lambda _: True)
        self.step("set angles", lambda: self.sdk.angle.set_angles(goal), lambda _: True)
        self.step("angles after the motion", lambda: self._settled(goal), lambda got: near(got, goal))
        self.step("set torques", lambda: self.sdk.torque.set_torques([50.0] * 6), lambda _: True)
        self.step(
            "torques",
            lambda: self.sdk.torque.get_blocking(PATIENCE).torques.to_list(),
            lambda got: near(got, [50.0] * 6),
        )

    def _settled(self, goal: list[float]) -> list[float]:
        due = time.monotonic() + 20.0
        while not near(got := self.angles(), goal) and time.monotonic() < due:
            time.sleep(0.05)
        return got

    def _health(self) -> None:
        read = {
            "temperatures": lambda: self.sdk.temperature.get_blocking(PATIENCE).temperatures.to_list(),
            "currents": lambda: self.sdk.current.get_blocking(PATIENCE).currents.to_list(),
            "no faults": lambda: self.sdk.fault.get_blocking(PATIENCE).faults.has_any_fault(),
        }
        self.step("temperatures", read["temperatures"], lambda got: got == [35] * 6)
        self.step("currents", read["currents"], lambda got: len(got) == 6)
        self.step("no faults", read["no faults"], lambda any_fault: not any_fault)
        self.hand.faults.switch("fault_bits")
        self.step(
            "a fault of the middle finger",
            lambda: self.sdk.fault.get_blocking(PATIENCE).faults.middle.get_fault_names(),
            lambda names: len(names) == 1 and names != ["No faults"],
        )
        self.step("clear faults", self.sdk.fault.clear_faults, lambda _: True)
        self.step("no faults again", read["no faults"], lambda any_fault: not any_fault)

    def _touch(self) -> None:
        self.step("pads of a hand that touches nothing", self._pads, lambda pads: not pads.any())
        table = load_table("l6_v31")
        self.hand.plant = FreeFingers(table, obstacle=np.array([9.0, 9.0, 0.2, 9.0, 9.0, 9.0]))
        self.sdk.angle.set_angles([100.0, 100.0, 0.0, 100.0, 100.0, 100.0])
        self.angles()
        time.sleep(1.0)
        self.step(
            "pads with the index finger against something",
            self._pads,
            lambda pads: pads.shape == (5, 12, 6) and pads[1].any() and not pads[[0, 2, 3, 4]].any(),
        )
        self.hand.faults.switch("imposters")
        self.step(
            "pads and angles with look-alike frames", lambda: (self._pads(), self.angles())[1], lambda got: got[0] > 99
        )

    def _pads(self) -> Any:
        fingers = self.sdk.force_sensor.get_blocking(PATIENCE)
        return np.stack([getattr(fingers, n).values for n in ("thumb", "index", "middle", "ring", "pinky")])


def near(got: list[float], expected: list[float]) -> bool:
    """Return whether percentages agree to the resolution of a byte."""
    return bool(np.abs(np.array(got) - np.array(expected)).max() < 1.0)


def main() -> int:
    """Run all steps on both kinds of bus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(given.folder))
    from realhand.hand.l6 import L6

    failed = 0
    print("| step | accepted | answer |\n|---|---|---|")
    ports: tuple[tuple[str, Port, str], ...] = (("virtual", VirtualPort("vendor"), "vendor"),)
    slcan = SlcanPort()
    ports += (("slcan", slcan, slcan.path),)
    for kind, port, channel in ports:
        hand = EmulatedHand()
        with HandServer(hand, port), L6(side="right", interface_name=channel, interface_type=kind) as sdk:
            print(f"| **{kind}** | | |")
            failed += Session(sdk, hand).run()
    print(f"\n{failed} steps failed")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
