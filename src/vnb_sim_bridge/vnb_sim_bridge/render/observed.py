"""A bridge that lets others watch: film a trial, show its progress. The physics are those of the plain bridge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vnb_sim_bridge.arm.motion import JointTrajectory
from vnb_sim_bridge.bridge import SimBridge, StressReport
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.sensors.frame import SensorFrame
from vnb_sim_bridge.world.parameters import WorldParameters
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]


class Observer(Protocol):
    """Watches a world and must not change it."""

    def snap(self, world: World, name: str) -> None:
        """Called at the turning points: ``before`` the fingers close, when they have ``closed``, when ``lifted``."""
        ...

    def frame(self, world: World) -> None:
        """Called whenever the world has advanced."""
        ...


class ObservedBridge(SimBridge):
    """A :class:`SimBridge` that calls observers as the trial goes on.

    Args:
        scenario: As for the bridge.
        parameters: As for the bridge.
        observers: Who watches.
        options: As for the bridge.
    """

    def __init__(
        self,
        scenario: Scenario,
        parameters: WorldParameters | None = None,
        observers: Sequence[Observer] = (),
        **options: Any,
    ) -> None:
        self._observers = tuple(observers)
        self._closing = False
        super().__init__(scenario, parameters, **options)

    def reset(self, scenario: Scenario) -> None:
        """See :class:`SimBridge`."""
        self._closing = False
        super().reset(scenario)

    def begin_grasp(self, latency: int | None = None) -> SensorFrame:
        """See :class:`SimBridge`."""
        frame = super().begin_grasp(latency)
        self._snap("before")
        self._closing = True
        return frame

    def decide(
        self, step: int, velocity: Array, effort_limit: Array | None = None, lift_speed: float = 0.0
    ) -> SensorFrame:
        """See :class:`SimBridge`."""
        frame = super().decide(step, velocity, effort_limit, lift_speed)
        self._frame()
        return frame

    def run_arm(self, trajectory: JointTrajectory) -> Iterator[float]:
        """See :class:`SimBridge`."""
        self._end_closing()
        for progress in super().run_arm(trajectory):
            self._frame()
            yield progress

    def run_hand(self, target: Array, duration: float = 1.0) -> Iterator[float]:
        """See :class:`SimBridge`."""
        self._end_closing()
        for progress in super().run_hand(target, duration):
            self._frame()
            yield progress

    def settle(self, duration: float = 0.2, *, look: bool = True) -> None:
        """See :class:`SimBridge`."""
        super().settle(duration, look=look)
        self._frame()

    def drive(self, finger_velocity: Array, effort_limit: Array, arm_target: Array, steps: int) -> None:
        """See :class:`SimBridge`."""
        super().drive(finger_velocity, effort_limit, arm_target, steps)
        self._frame()

    def end_grasp(self) -> None:
        """See :class:`SimBridge`."""
        self._end_closing()
        super().end_grasp()

    def stress_test(
        self,
        nominal: bool = True,
        battery: bool = True,
        progress: Callable[[str, int, int], None] | None = None,
        disturbance_scale: float | None = None,
    ) -> StressReport:
        """See :class:`SimBridge`."""
        self._end_closing()
        self._snap("lifted")
        return super().stress_test(nominal, battery, progress, disturbance_scale)

    def _end_closing(self) -> None:
        if self._closing:
            self._closing = False
            self._snap("closed")

    def _snap(self, name: str) -> None:
        for observer in self._observers:
            observer.snap(self.world, name)

    def _frame(self) -> None:
        for observer in self._observers:
            observer.frame(self.world)
