"""Measure how many simulation steps per second the world takes, free and with a held object.

python benchmarks/simulation_steps.py
"""

from __future__ import annotations

import platform
import time

from vnb_grasp.description import known_objects
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.stress.battery import run_battery
from vnb_sim_bridge.testing import closed, lift

STEPS = 2000


def main() -> None:
    """Print a markdown table."""
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread\n")
    print("| object | free [steps/s] | held [steps/s] | battery of 28 tests [s] |")
    print("|---|---|---|---|")
    for name in known_objects():
        free = SimBridge(Scenario(name))
        start = time.perf_counter()
        free.world.step(STEPS)
        free_rate = STEPS / (time.perf_counter() - start)
        bridge = closed(name, 0.6)
        lift(bridge)
        start = time.perf_counter()
        bridge.world.step(STEPS)
        held_rate = STEPS / (time.perf_counter() - start)
        start = time.perf_counter()
        run_battery(bridge.world)
        print(f"| {name} | {free_rate:.0f} | {held_rate:.0f} | {time.perf_counter() - start:.2f} |")


if __name__ == "__main__":
    main()
