"""What the tests of running share, here so that spawned worker processes can import it."""

from __future__ import annotations

import hashlib
import math
import os
import sys
import time
from dataclasses import dataclass, replace

from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import Episode, run_episode
from vnb_benchmark.methods.interface import Method
from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.running.measure import failed_outcome
from vnb_benchmark.running.tasks import Task, beta_text
from vnb_benchmark.running.worker import attempt
from vnb_benchmark.scenarios.case import Case, CaseSet
from vnb_grasp.errors import MotionError
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import draw_scenario

QUICK = 0.02
FOREVER = 3600.0


def make_cases(count: int, objects: tuple[str, ...] = ("cube", "tennis_ball"), name: str = "tiny") -> CaseSet:
    """Return a small set whose objects take turns."""
    cases = [Case(i, "test", draw_scenario(objects[i % len(objects)], "nominal", i)) for i in range(count)]
    return CaseSet(name, tuple(cases), (0.5, 0.9))


def uses_beta(method: str) -> bool:
    """Return whether a fake method takes a beta."""
    return method.startswith("beta")


def fake_outcome(task: Task) -> Outcome:
    """Return an outcome that follows from the key alone, with a NaN here and there."""
    digest = hashlib.sha256(repr(task.key).encode()).hexdigest()
    chance = int(digest[:6], 16) / 0xFFFFFF
    return replace(
        failed_outcome(task.case, task.method, task.beta, "failed", "none", chance),
        status=OK,
        error="",
        steps=3,
        lifted=True,
        nominal=chance > 0.3,
        survived=14,
        tests=28,
        outcomes="10" * 14,
        peak_force=5.0 + chance,
        failure_mode="none",
        epsilon_series=(0.1, math.nan, chance),
        p_fail=chance,
        digest=digest,
    )


@dataclass
class FakeExecutor:
    """Runs no simulator; some names of methods, on the first case of the second object, do what no method should.

    Attributes:
        delay: Time of an episode [s].
    """

    delay: float = 0.0

    def run(self, task: Task) -> Outcome:
        """See :class:`vnb_benchmark.running.worker.Executor`."""
        return attempt(task, self._episode)

    def _episode(self, task: Task, started: float) -> Outcome:
        if task.case.index == 1:
            misbehave(task.method)
        time.sleep(self.delay)
        return fake_outcome(task)


def misbehave(method: str) -> None:
    """Do what the name says, if it says anything."""
    if method == "raises":
        raise ValueError("this method raises")
    if method == "refuses":
        raise MotionError("no pre-grasp can be reached")
    if method == "hangs":
        time.sleep(FOREVER)
    if method == "exits":
        sys.exit(3)
    if method == "dies":
        os._exit(7)
    if method == "aborts":
        os.abort()


def fake() -> FakeExecutor:
    """Return an executor whose episodes take no time."""
    return FakeExecutor()


def slow_fake() -> FakeExecutor:
    """Return an executor whose episodes take a while, so that a run can be killed in its middle."""
    return FakeExecutor(QUICK)


def broken() -> FakeExecutor:
    """Make nothing: the worker dies as it starts."""
    os._exit(9)


@dataclass
class ShortMethod:
    """A real grasp of a few steps that drives the arm as the node graph does.

    Attributes:
        name: ``nan`` decides what is no number.
    """

    name: str
    uses_beta: bool = False

    def run(self, bridge: SimBridge, scene: PlanningScene, case: Case, beta: float) -> Episode:
        """See :class:`vnb_benchmark.methods.interface.Method`."""
        bridge.reset(case.scenario)
        chain = ControlChain(bridge.world.hand, bridge.world.object, "scripted", "prior")
        if self.name == "nan":
            bridge.begin_grasp()
            bridge.decide(0, bridge.world.hand_target * math.nan)
        return run_episode(
            bridge,
            chain,
            case.scenario,
            teleport=False,
            scene=scene,
            latency=case.latency,
            disturbance_scale=case.disturbance_scale,
        )


def make_short(name: str) -> Method:
    """Return the real method of a few steps."""
    return ShortMethod(name)


def key_text(outcome: Outcome) -> str:
    """Return the key of an outcome as text."""
    return f"{outcome.case}/{outcome.method}/{beta_text(outcome.beta)}"
