"""The executor: a callback that waits for a thread is handed over once, not again and again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2: run through ./vnb test")

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.node import Node  # noqa: E402

from vnb_grasp.nodes.run import _end_by_signal, _Executor  # noqa: E402

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_nodes(number: signal.Signals, handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ended = threading.Event()
    _end_by_signal(ended)
    os.kill(os.getpid(), number)
    assert ended.wait(10.0)


def test_nodes_without_a_terminal_run_on(handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _end_by_signal(threading.Event())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_waiting_callback_is_submitted_once() -> None:
    context = Context()
    rclpy.init(context=context)
    node = Node("waiting", context=context)
    executor = _Executor(num_threads=2, context=context)
    executor.add_node(node)
    release, ran = threading.Event(), threading.Event()

    def hold() -> None:
        release.wait(10.0)

    for _ in range(2):  # both threads are taken
        node.create_timer(0.01, hold, callback_group=MutuallyExclusiveCallbackGroup())
    node.create_timer(0.05, ran.set, callback_group=MutuallyExclusiveCallbackGroup())
    submitted = []
    submit = executor._executor.submit
    executor._executor.submit = lambda task: submitted.append(task) or submit(task)  # type: ignore[method-assign]
    try:
        due = time.monotonic() + 0.5
        while time.monotonic() < due:
            executor.spin_once(timeout_sec=0.05)
        assert len(submitted) == 3
        assert not ran.is_set()
        release.set()
        due = time.monotonic() + 5.0
        while not ran.is_set() and time.monotonic() < due:
            executor.spin_once(timeout_sec=0.05)
        assert ran.is_set()
    finally:
        release.set()
        executor.drain()
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
