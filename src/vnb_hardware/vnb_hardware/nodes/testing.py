"""What the tests of the driver nodes share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from vnb_grasp.nodes import qos
from vnb_grasp.nodes.action_client import LockedActionClient
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning


def until(condition: Callable[[], Any], what: str, timeout: float = 20.0) -> None:
    """Wait for a condition; fail with ``what`` if it does not come true in time."""
    due = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < due, f"waited {timeout} s for {what}"
        time.sleep(0.005)


class Observer(VnbNode):
    """Hears topics, keeps what came, sends goals and calls services."""

    def __init__(self, **options: Any) -> None:
        super().__init__("observer", **options)
        self._group = ReentrantCallbackGroup()
        self.heard: dict[str, list[Any]] = {}
        self.problems: list[DiagnosticStatus] = []
        self.create_subscription(
            DiagnosticArray, "/diagnostics", self._note, qos.CHAIN, callback_group=ReentrantCallbackGroup()
        )

    def _note(self, message: DiagnosticArray) -> None:
        self.problems += [status for status in message.status if status.level != DiagnosticStatus.OK]

    def hear(self, kind: Any, topic: str) -> list[Any]:
        """Return the list to which the topic's messages are added."""
        messages = self.heard.setdefault(topic, [])
        self.create_subscription(kind, topic, messages.append, qos.CHAIN, callback_group=self._group)
        return messages

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Return a service's answer."""
        client = self.create_client(kind, name, callback_group=self._group)
        until(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        until(future.done, f"an answer of {name}")
        self.destroy_client(client)
        return future.result()

    def send(self, kind: Any, name: str, goal: Any) -> Any:
        """Return the handle of an accepted goal."""
        client = LockedActionClient(self, kind, name, callback_group=self._group)
        until(client.server_is_ready, f"action {name}")
        sent = client.send_goal_async(goal)
        until(sent.done, f"acceptance by {name}")
        return sent.result()

    def problem(self, text: str) -> bool:
        """Return whether a problem was diagnosed whose message contains ``text``."""
        return any(text in status.message for status in self.problems)


@contextmanager
def nodes(domain: int, *makers: tuple[Callable[..., VnbNode], dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Spin nodes with their parameters, and an observer; yield the observer and the nodes."""
    context = Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    made: list[VnbNode] = []
    try:
        for make, values in makers:
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            made.append(make(context=context, parameter_overrides=overrides))
        observer = Observer(context=context)
        made.append(observer)
        with spinning(context, made):
            yield (observer, *made[:-1])
    finally:
        for node in made:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown(context=context)
