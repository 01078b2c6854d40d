"""Run nodes until a signal or an error ends them, and leave nothing behind."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import rclpy
import torch
from rclpy.context import Context
from rclpy.executors import (
    ConditionReachedException,
    ExternalShutdownException,
    MultiThreadedExecutor,
    ShutdownException,
    TimeoutException,
)
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Task

from vnb_grasp.errors import VnbError
from vnb_grasp.nodes.base import VnbNode

THREADS = 8
"""Enough that actions, which hold a thread while they run, never starve the callbacks that they wait for."""

_JOIN_TIME = 10.0


_PAUSE = 0.0005


class _Executor(MultiThreadedExecutor):
    """A multi-threaded executor that ends cleanly and does not spin in vain.

    rclpy's own destroys what running callbacks still need; and it offers a callback again and again until one of its
    threads has begun it, in a loop that keeps the interpreter's lock and so keeps that thread from beginning: several
    hundred milliseconds per decision step on two cores.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._begun: dict[Task, Future[None]] = {}

    def _spin_once_impl(
        self, timeout_sec: Any = None, wait_condition: Callable[[], bool] = lambda: False
    ) -> None:  # rclpy's own, but for the callbacks that a thread has been given already
        try:
            handler, _, _ = self.wait_for_ready_callbacks(timeout_sec, None, wait_condition)
        except (ExternalShutdownException, ShutdownException, TimeoutException, ConditionReachedException):
            return
        given = self._begun.get(handler)
        if given is not None and not given.done():
            time.sleep(_PAUSE)  # lets the thread have the lock
            return
        self._begun[handler] = self._executor.submit(handler)
        for ended in [task for task in self._begun if task.done()]:
            del self._begun[ended]
            ended.result()  # raises what the callback raised

    def drain(self) -> None:
        """Wait until the callbacks that were begun have ended; nothing may spin any more."""
        self._executor.shutdown(wait=True)


@contextmanager
def spinning(context: Context, nodes: Iterable[VnbNode]) -> Iterator[None]:
    """Spin nodes in a background thread; at the end close them, so that their callbacks return, and stop spinning."""
    nodes = tuple(nodes)
    executor = _Executor(num_threads=THREADS, context=context)
    for node in nodes:
        executor.add_node(node)
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set() and context.ok():
            try:
                executor.spin_once(timeout_sec=0.2)
            except (ExternalShutdownException, ShutdownException):
                return
            except Exception:  # noqa: BLE001 - callbacks have their own border: what arrives here is of rclpy itself
                if not stop.is_set() and context.ok():
                    nodes[0].get_logger().error(traceback.format_exc())
        executor.drain()

    thread = threading.Thread(target=spin, name="spinner", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for node in nodes:
            node.close()
        stop.set()
        executor.wake()
        thread.join(_JOIN_TIME)
        executor.shutdown(timeout_sec=_JOIN_TIME)


def run_node(make: Callable[[], VnbNode], arguments: Sequence[str] | None = None) -> int:
    """Run one node as this process until SIGINT, SIGTERM or SIGHUP, the end of its terminal.

    Who started it with SIGHUP ignored (nohup) has it run on.

    Returns:
        The exit status: 0 after a signal, 1 if the node could not start.
    """
    return run_nodes([make], arguments)


def _end_by_signal(ended: threading.Event) -> None:
    """Set ``ended`` when a signal says that this process is no longer wanted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: ended.set())


def run_nodes(makes: Sequence[Callable[[], VnbNode]], arguments: Sequence[str] | None = None) -> int:
    """Run several nodes as this process; see :func:`run_node`."""
    torch.set_num_threads(1)  # the parts share the machine, and one thread gives the same sums everywhere
    ended = threading.Event()
    _end_by_signal(ended)
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    nodes: list[VnbNode] = []
    try:
        nodes += [make() for make in makes]
        with spinning(rclpy.get_default_context(), nodes):
            while not ended.wait(0.2) and rclpy.ok():
                pass
        for node in nodes:
            node.destroy_node()
    except VnbError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - there is no node to log with
        return 1
    finally:
        rclpy.try_shutdown()
    return 0
