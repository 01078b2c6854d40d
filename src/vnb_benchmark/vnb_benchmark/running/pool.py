"""Worker processes that run tasks: one that hangs or dies costs one episode, never the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.running.measure import failed_outcome
from vnb_benchmark.running.tasks import Task, TaskQueue
from vnb_benchmark.running.worker import MakeExecutor, serve
from vnb_grasp.errors import ConfigError, VnbError

START_TIMEOUT = 180.0
"""Time in which a worker must be up [s]; importing takes seconds, more on a busy machine."""
EPISODE_TIMEOUT = 300.0
END_GRACE = 10.0


class _Worker:
    """One worker process, the task that it has, and until when."""

    def __init__(self, number: int, make_executor: MakeExecutor) -> None:
        # Forking a process that has threads (torch, OpenGL) is unsafe; spawned workers start clean.
        context = multiprocessing.get_context("spawn")
        self.number = number
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=serve, args=(theirs, make_executor, os.getpid()), name=f"bench-{number}", daemon=True
        )
        self.task: Task | None = None
        self.ready = False
        self.since = time.monotonic()
        self.process.start()
        theirs.close()  # so that its death shows as the end of the pipe

    def give(self, task: Task) -> None:
        """Send a task; if the process has just died, the end of its pipe will tell."""
        self.task, self.since = task, time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(task)

    def due(self, episode_timeout: float) -> float:
        """Return when patience with it ends."""
        return self.since + (episode_timeout if self.ready else START_TIMEOUT)

    def fail(self, status: str, error: str) -> Outcome:
        """Return the outcome of a task that this process did not finish."""
        assert self.task is not None
        elapsed = time.monotonic() - self.since
        return failed_outcome(self.task.case, self.task.method, self.task.beta, status, error, elapsed)

    def end(self, grace: float = 0.0) -> None:
        """End the process: with ``grace`` [s] for it to see the end of its tasks, else at once."""
        self.connection.close()
        if grace:
            self.process.join(grace)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def run_pool(
    tasks: Iterable[Task], make_executor: MakeExecutor, jobs: int, episode_timeout: float = EPISODE_TIMEOUT
) -> Iterator[Outcome]:
    """Run tasks in worker processes and yield outcomes as they come; no process outlives the iteration.

    What an outcome holds, times aside, does not depend on the number of jobs; the order in which they come does.

    Args:
        tasks: In the order in which they should be done.
        make_executor: Makes what runs them, in each worker; can be pickled.
        jobs: Number of workers.
        episode_timeout: Time after which a worker is killed and replaced, and its episode counts as hung [s].

    Raises:
        VnbError: If a worker does not start.
    """
    if jobs < 1 or not episode_timeout > 0.0:
        raise ConfigError(f"jobs and episode timeout: got {jobs} and {episode_timeout}, expected >= 1 and > 0")
    queue = TaskQueue(tasks)
    workers: dict[int, _Worker] = {}
    try:
        for number in range(min(jobs, len(queue))):
            workers[number] = _Worker(number, make_executor)
        while workers:
            for number in _stirring(workers, episode_timeout):
                outcome = _attend(number, workers, queue, make_executor, episode_timeout)
                if outcome is not None:
                    yield outcome
    finally:
        for worker in workers.values():
            worker.end()


def _stirring(workers: dict[int, _Worker], episode_timeout: float) -> list[int]:
    """Wait until a worker says something, dies or is out of time; return the numbers of all such."""
    first = min(worker.due(episode_timeout) for worker in workers.values())
    heard = wait([worker.connection for worker in workers.values()], max(first - time.monotonic(), 0.0))
    now = time.monotonic()
    return [n for n, w in workers.items() if w.connection in heard or now >= w.due(episode_timeout)]


def _attend(
    number: int, workers: dict[int, _Worker], queue: TaskQueue, make_executor: MakeExecutor, episode_timeout: float
) -> Outcome | None:
    """Take what a worker has for us, and see that the next task finds a worker."""
    worker = workers[number]
    outcome: Outcome | None = None
    alive = True
    if worker.connection.poll():
        try:
            message = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            alive = False
            outcome = _died(worker)
        else:
            outcome = message if worker.ready else None
            worker.ready = True
    else:
        alive = False
        outcome = _hung(worker, episode_timeout)
    task = queue.take(number) if alive else None
    if task is not None:
        worker.give(task)
        return outcome
    worker.end(END_GRACE if alive else 0.0)
    if alive or not len(queue):
        del workers[number]
    else:
        workers[number] = _Worker(number, make_executor)
    return outcome


def _died(worker: _Worker) -> Outcome:
    worker.process.join(END_GRACE)
    code = worker.process.exitcode
    how = f"exit code {code}"
    if code is not None and code < 0:
        how = f"signal {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            how += " (the system does so when memory is short: try fewer --jobs)"
    if not worker.ready:
        raise VnbError(f"benchmark worker {worker.number} ended with {how} before its first episode; see above for why")
    return worker.fail("crashed", f"the worker process ended with {how}")


def _hung(worker: _Worker, episode_timeout: float) -> Outcome:
    if not worker.ready:
        raise VnbError(f"benchmark worker {worker.number} was not up within {START_TIMEOUT:.0f} s; try fewer --jobs")
    return worker.fail("hung", f"no verdict within {episode_timeout:g} s; the worker process was killed")
