"""What runs episodes, and the process around it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from multiprocessing.connection import Connection
from typing import Generic, Protocol, TypeVar

import torch

from vnb_benchmark.methods.interface import Method
from vnb_benchmark.outcome import Outcome
from vnb_benchmark.running.measure import failed_outcome, outcome_of_episode
from vnb_benchmark.running.tasks import Task
from vnb_benchmark.vision import pose_source_maker
from vnb_grasp.errors import VnbError
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene

WORLDS_KEPT = 3
METHODS_KEPT = 12
"""A worker is handed tasks of one world side by side, so few need to be kept; each takes some ten megabytes."""

READY = "ready"

T = TypeVar("T")


class Executor(Protocol):
    """Runs tasks one after the other."""

    def run(self, task: Task) -> Outcome:
        """Return the outcome; what goes wrong in the method is one too, not an exception."""
        ...


MakeExecutor = Callable[[], Executor]
"""Makes an executor inside a worker process; can be pickled."""


class Kept(Generic[T]):
    """Things by key, made when first asked for; of more than ``size`` those asked for longest ago are given up."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the thing of a key."""
        if key not in self._items:
            while len(self._items) >= self._size:  # before making one, so that there are never more
                self._items.popitem(last=False)
            self._items[key] = make()
        self._items.move_to_end(key)
        return self._items[key]


class LocalExecutor:
    """Runs tasks in this process, without middleware.

    Args:
        make_method: Makes a method from its name.
        pose_source: What estimates the object's pose; a name of :data:`vnb_sim_bridge.sensors.pose.POSE_SOURCES`.
    """

    def __init__(self, make_method: Callable[[str], Method], pose_source: str = "sensor") -> None:
        self._make_method = make_method
        self._make_pose_source = pose_source_maker(pose_source)
        self._bridges: Kept[SimBridge] = Kept(WORLDS_KEPT)
        self._scenes: Kept[PlanningScene] = Kept(WORLDS_KEPT)
        self._methods: Kept[Method] = Kept(METHODS_KEPT)
        torch.set_num_threads(1)  # one thread gives the same sums everywhere, and the cores belong to other workers

    def run(self, task: Task) -> Outcome:
        """See :class:`Executor`."""
        return attempt(task, self._episode)

    def _episode(self, task: Task, started: float) -> Outcome:
        case = task.case
        scenario = case.scenario
        place = (scenario.object_name, scenario.hand)
        method = self._methods.get((task.method, *place), lambda: self._make_method(task.method))
        scene = self._scenes.get(place, lambda: PlanningScene(*place))
        bridge = self._bridges.get(
            (*place, scenario.torque_scale, case.parameters),
            lambda: SimBridge(scenario, case.parameters, make_pose_source=self._make_pose_source),
        )
        started = time.perf_counter()  # worlds and methods serve many episodes, whichever comes first
        episode = method.run(bridge, scene, case, task.beta)
        return outcome_of_episode(case, task.method, task.beta, episode, time.perf_counter() - started)


def attempt(task: Task, episode: Callable[[Task, float], Outcome]) -> Outcome:
    """Return what ``episode(task, start time)`` gives; an error of it is a failed outcome."""
    started = time.perf_counter()
    try:
        return episode(task, started)
    except VnbError as error:
        text = str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 (whatever a method does wrong is its result, not the benchmark's end)
        text = f"{type(error).__name__}: {error}"
    return failed_outcome(task.case, task.method, task.beta, "failed", text, time.perf_counter() - started)


def serve(connection: Connection, make_executor: MakeExecutor, parent: int) -> None:
    """Be a worker process: run the tasks that come, until the other end is closed.

    Args:
        connection: Where tasks come from and outcomes go to; the first thing sent is :data:`READY`.
        make_executor: Makes what runs them.
        parent: Process id of the one that started this.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    die_with(parent)
    executor = make_executor()
    try:
        connection.send(READY)
        while True:
            connection.send(executor.run(connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        close = getattr(executor, "close", None)
        if close is not None:
            close()


def die_with(parent: int) -> None:
    """Have this process killed when its parent is, however that ends and whatever this one does then."""
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it has gone before this took effect
        os._exit(1)
