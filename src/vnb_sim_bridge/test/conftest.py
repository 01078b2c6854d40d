"""Lifted grasps that several physics tests look at; made once per session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.testing import closed, lift
from vnb_sim_bridge.world.world import WorldState


@cache
def _lifted(object_name: str, friction: float) -> tuple[SimBridge, WorldState]:
    bridge = closed(object_name, friction)
    lift(bridge)
    return bridge, bridge.world.save()


@pytest.fixture
def lifted() -> Callable[[str, float], SimBridge]:
    """Return a factory of bridges in the lifted state; the state is restored at every call."""

    def make(object_name: str, friction: float = 0.6) -> SimBridge:
        bridge, state = _lifted(object_name, friction)
        bridge.world.restore(state)
        bridge.world.apply_object_wrench(np.zeros(6))
        return bridge

    return make
