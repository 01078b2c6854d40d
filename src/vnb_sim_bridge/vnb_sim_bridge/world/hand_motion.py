"""Move the fingers through free space to where they are asked to be, and wait until they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

ARRIVED = 0.02
"""Distance from its target within which a joint has arrived [rad]."""
PATIENCE = 3.0
"""Times the asked duration after which a joint that has not arrived is taken to be blocked."""


def hand_motion(world: World, target: Array, duration: float) -> Iterator[float]:
    """Move the fingers to ``target`` (6,) [rad] in straight lines, yielding the progress in [0, 1].

    Takes ``duration`` [s], or longer if a joint is too weak to follow, such as the thumb's yaw on a wide turn: to close
    before it stands where the pre-grasp wants it makes another grasp.
    """
    period = world.parameters.decision_period
    steps = max(round(duration / period), 1)
    start = world.hand_target.copy()
    target = np.clip(target, world.joint_lower, world.joint_upper)
    for i in range(round(PATIENCE * steps)):
        share = min((i + 1) / steps, 1.0)
        goal = start + (target - start) * share
        world.drive_hand((goal - world.hand_target) / period, world.torque_limit, period)
        world.step(world.parameters.substeps)
        yield share
        if share == 1.0 and np.abs(world.hand_q()[:6] - target).max() < ARRIVED:
            return
