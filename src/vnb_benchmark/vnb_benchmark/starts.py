"""Starts of grasps, kept: every method on a scenario begins where the same approach ended, so one is enough."""

from __future__ import annotations

import copy
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import mujoco

from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.approach import Approach
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import WorldState

KEPT = 16
"""Starts kept per bridge; one takes less than a megabyte. An oracle tries several pre-grasps of a case."""

Key = tuple[Scenario, Hashable, Hashable]


@dataclass(frozen=True)
class _Start:
    approach: Approach
    estimate: Pose
    seconds: float
    state: WorldState
    data: mujoco.MjData
    peak_force: float


_starts: WeakKeyDictionary[SimBridge, OrderedDict[Key, _Start]] = WeakKeyDictionary()


def recall(bridge: SimBridge, scene: PlanningScene, key: Key, start: Callable[[], Approach]) -> tuple[Approach, float]:
    """Bring bridge and scene to where ``start`` leads, by running it or from memory.

    Args:
        bridge: The simulated robot.
        scene: The robot's picture of it, which keeps the pose that was planned with.
        key: The scenario, and whatever else the start depends on.
        start: Resets the bridge to the scenario, plans in the scene and runs the approach.

    Returns:
        The approach, and the time that memory saved [s]: what running it took then, 0 if it was run now.
    """
    kept = _starts.setdefault(bridge, OrderedDict())
    known = key in kept
    if not known:
        began = time.perf_counter()
        approach = start()
        seconds = time.perf_counter() - began
        while len(kept) >= KEPT:
            kept.popitem(last=False)
        kept[key] = _Start(
            approach, scene.estimate, seconds, bridge.world.save(), copy.copy(bridge.world.data), bridge.peak_force
        )
    kept.move_to_end(key)
    found = kept[key]
    bridge.reset(key[0])
    bridge.world.restore(found.state)
    # Restoring brings derived quantities up to date, which after a step are those of its beginning; the first reading
    # would differ in the last bits.
    mujoco.mj_copyData(bridge.world.data, bridge.world.model, found.data)
    bridge.peak_force = found.peak_force
    scene.estimate = found.estimate  # further attempts are planned from it
    return found.approach, found.seconds if known else 0.0
