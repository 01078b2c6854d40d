"""The same as the pool, through Ray: workers on this machine or on those of a cluster."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.running.measure import failed_outcome
from vnb_benchmark.running.pool import EPISODE_TIMEOUT, START_TIMEOUT
from vnb_benchmark.running.tasks import Task, TaskQueue
from vnb_benchmark.running.worker import MakeExecutor
from vnb_grasp.errors import ConfigError, VnbError

LOCAL = "local"
CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 15.0
"""Together the time in which an address must answer [s]."""
OBJECT_STORE_BYTES = 100 * 2**20
"""Tasks and outcomes are kilobytes; Ray would take a third of the memory."""


def import_ray(*, loopback: bool = False) -> Any:
    """Return Ray; raises :class:`ConfigError` that says how to get it if it is not installed.

    Args:
        loopback: Whether a cluster of this machine alone is meant. Has an effect on the first import only.
    """
    if loopback:
        # Ray listens on the loopback address alone if it takes no part in clusters, whatever the system is.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError(
            f"--ray needs Ray, which is not installed ({error}); "
            ".venv/bin/python -m pip install -r requirements/scale.txt -c requirements/constraints.txt"
        ) from error


def run_ray(
    tasks: Iterable[Task],
    make_executor: MakeExecutor,
    jobs: int,
    address: str = LOCAL,
    episode_timeout: float = EPISODE_TIMEOUT,
) -> Iterator[Outcome]:
    """Run tasks in Ray actors and yield outcomes as they come; they are those of the pool, times aside.

    Args:
        tasks: In the order in which they should be done.
        make_executor: Makes what runs them, in each worker; can be pickled.
        jobs: Number of actors, one core each.
        address: ``local`` starts a cluster on this machine and ends it afterwards; ``HOST:PORT`` is a cluster's head.
            All its machines need this checkout at this path.
        episode_timeout: Time after which an actor is killed and replaced, and its episode counts as hung [s].

    Raises:
        ConfigError: If Ray is not installed or the address does not answer.
        VnbError: If a worker does not start.
    """
    if jobs < 1 or not episode_timeout > 0.0:
        raise ConfigError(f"jobs and episode timeout: got {jobs} and {episode_timeout}, expected >= 1 and > 0")
    ray = import_ray(loopback=address == LOCAL)
    with _connected(ray, address, jobs):
        actors = _Actors(ray, make_executor, episode_timeout)
        queue = TaskQueue(tasks)
        try:
            for number in range(min(jobs, len(queue))):
                actors.start(number)
            while actors.waiting:
                yield from actors.turn(queue)
        finally:
            actors.end()


class _Host:
    """The actor: holds an executor in a Ray worker process."""

    def __init__(self, make_executor: MakeExecutor) -> None:
        self._executor = make_executor()

    def up(self) -> None:
        """Answer once the executor is made."""

    def run(self, task: Task) -> Outcome:
        return self._executor.run(task)


class _Actors:
    """The actors, what each is doing and until when."""

    def __init__(self, ray: Any, make_executor: MakeExecutor, episode_timeout: float) -> None:
        self._ray = ray
        self._make_executor = make_executor
        self._timeout = episode_timeout
        # A task that is run twice would hide what it did to its process, so Ray repeats nothing.
        self._remote = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Host)
        self._actors: dict[int, Any] = {}
        self.waiting: dict[Any, tuple[int, Task | None, float]] = {}

    def start(self, number: int) -> None:
        """Start an actor."""
        self._actors[number] = actor = self._remote.remote(self._make_executor)
        self.waiting[actor.up.remote()] = (number, None, time.monotonic())

    def end(self) -> None:
        """Kill all actors."""
        for actor in self._actors.values():
            self._ray.kill(actor, no_restart=True)
        self._actors.clear()

    def turn(self, queue: TaskQueue) -> Iterator[Outcome]:
        """Wait until an actor answers, dies or is out of time, and deal with it."""
        first = min(map(self._due, self.waiting))
        patience = max(first - time.monotonic(), 0.0)
        answered, _ = self._ray.wait(list(self.waiting), num_returns=1, timeout=patience)
        now = time.monotonic()
        late = [reference for reference in self.waiting if reference not in answered and now >= self._due(reference)]
        for reference in answered:
            yield from self._answered(reference, queue)
        for reference in late:
            number, task, since = self.waiting.pop(reference)
            self._ray.kill(self._actors.pop(number), no_restart=True)
            if task is None:
                raise VnbError(
                    f"Ray started no worker within {START_TIMEOUT:.0f} s; is there a free core for each job?"
                )
            error = f"no verdict within {self._timeout:g} s; the worker process was killed"
            yield from self._replaced(number, task, "hung", error, now - since, queue)

    def _due(self, reference: Any) -> float:
        _, task, since = self.waiting[reference]
        return since + (START_TIMEOUT if task is None else self._timeout)

    def _answered(self, reference: Any, queue: TaskQueue) -> Iterator[Outcome]:
        number, task, since = self.waiting.pop(reference)
        try:
            outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._actors.pop(number)
            text = " ".join(str(error).split())
            if task is None:
                raise VnbError(f"Ray worker {number} ended before its first episode: {text}") from error
            yield from self._replaced(number, task, "crashed", text, time.monotonic() - since, queue)
            return
        following = queue.take(number)
        if following is not None:
            self.waiting[self._actors[number].run.remote(following)] = (number, following, time.monotonic())
        if outcome is not None:
            yield outcome

    def _replaced(
        self, number: int, task: Task, status: str, error: str, elapsed: float, queue: TaskQueue
    ) -> Iterator[Outcome]:
        if len(queue):
            self.start(number)
        yield failed_outcome(task.case, task.method, task.beta, status, error, elapsed)


@contextmanager
def _connected(ray: Any, address: str, jobs: int) -> Iterator[None]:
    """Be connected to a cluster; a local one is started, and nothing of it is left."""
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    folder = ""
    if address == LOCAL:
        # Sockets lie in this folder, and their paths must be short.
        folder = tempfile.mkdtemp(prefix="vnb-ray-", dir="/tmp")
        options |= {
            "num_cpus": jobs,
            "num_gpus": 0,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_temp_dir": folder,
        }
    else:
        require_answer(address)
        paths = os.environ.get("PYTHONPATH", "")
        options = {
            "log_to_driver": False,
            "logging_level": "ERROR",
            "runtime_env": {"env_vars": {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}},
        }
    try:
        try:
            ray.init(address=address, **options)
        except Exception as error:  # Ray raises many kinds, RuntimeError and ConnectionError among them
            text = " ".join(str(error).split())
            raise VnbError(f"--ray {address}: Ray does not start or join the cluster: {text}") from error
        yield
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def require_answer(address: str) -> None:
    """Check that the head of a Ray cluster answers; Ray itself would go on trying for minutes.

    Raises:
        ConfigError: If the address is none, or nothing or something else than Ray answers there.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit()) or "/" in address or int(port) > 65535:
        raise ConfigError(
            f"--ray: got {address!r}, expected {LOCAL!r} or HOST:PORT of a cluster's head, say 10.0.0.1:6379"
        )
    hint = "start one there with `ray start --head`, or use --ray local"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        raise ConfigError(f"--ray {address}: no Ray cluster answers ({error}); {hint}") from error
    check = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "health-check", "--address", address]
    try:
        done = subprocess.run(check, capture_output=True, text=True, timeout=ANSWER_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"--ray {address}: no answer within {ANSWER_TIMEOUT:.0f} s; {hint}") from error
    if done.returncode != 0:
        raise ConfigError(f"--ray {address}: what answers there is no healthy head of a Ray cluster; {hint}")
