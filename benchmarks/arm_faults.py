"""How long the arm's driver takes from a fault to the stop on the wire, with the arm moving.

Usage, with the packages on PYTHONPATH: ``python benchmarks/arm_faults.py [--repeats 10]``

Injects each fault of the emulated controller that must stop a motion and prints one markdown row: from the injection to
the detection, and from there to the first byte of the stop that the emulated controller received, median and largest.
Driver and controller share one process here, which makes both slower than they are apart.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

import numpy as np

from vnb_hardware.arm.config import ArmConfig
from vnb_hardware.emulators.arm.testing import ArmRig, until

LOST = ("fin", "rst", "silence", "stale", "garbage")
REPORTED = ("safety_stop", "emergency_stop", "joint_limit", "collision", "disabled", "manual")
MOTION = ("stuck_joint",)


def once(fault: str, config: ArmConfig) -> tuple[float, float]:
    """Return the times [s] from the injection to the detection, and from there to the stop on the wire."""
    with ArmRig(config) as rig:
        running = rig.ready().begin()
        injected = time.monotonic()
        rig.emulator.inject(fault)
        stop = rig.emulator.wire.wait_for(lambda sent: sent.method == "StopMotion", injected, 10.0)
        running.join()
        until(lambda: rig.faults)
        if stop is None:
            raise TimeoutError(f"{fault}: no stop on the wire")
        return rig.driver.fault_at - injected, stop.at - rig.driver.fault_at


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--stale-after", type=float, default=0.1, help="patience with the state stream [s]")
    arguments = parser.parse_args()
    config = replace(ArmConfig(), stale_after=arguments.stale_after)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {arguments.repeats} of each; [ms]\n")
    print("| fault | detected after, median | largest | stop on the wire after detection, median | largest |")
    print("|---|---|---|---|---|")
    for fault in (*LOST, *REPORTED, *MOTION):
        times = 1000 * np.array([once(fault, config) for _ in range(arguments.repeats)])
        cells = [f"{value:.1f}" for column in times.T for value in (np.median(column), column.max())]
        print(f"| {fault} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
