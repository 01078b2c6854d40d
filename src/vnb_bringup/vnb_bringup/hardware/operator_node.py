"""Activates and deactivates the drivers, as a person does with ``ros2 lifecycle set``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import Bool
from vnb_msgs.msg import ErrorCode

from vnb_bringup.hardware.roster import DRIVERS
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import Canceled, Refusal, VnbNode
from vnb_hardware.nodes.device import SUPERVISOR

START_TIMEOUT = 300.0
_ANSWER = 30.0
_POLL = 0.02


class OperatorNode(VnbNode):
    """Its methods are called outside of the executor's threads; failures are :class:`Refusal`.

    Args:
        options: For the node.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("operator", **options)
        self._may_move = threading.Event()
        self._reasons: dict[str, str] = {}
        group = ReentrantCallbackGroup()
        self._change = {
            name: self.create_client(ChangeState, f"{name}/change_state", callback_group=group) for name in DRIVERS
        }
        self._state = {
            name: self.create_client(GetState, f"{name}/get_state", callback_group=group) for name in DRIVERS
        }
        self.create_subscription(Bool, SUPERVISOR, self._on_supervisor, qos.COMMAND, callback_group=group)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, qos.CHAIN, callback_group=group)

    def activate(self, timeout: float = START_TIMEOUT) -> None:
        """Connect the drivers, wait until the supervisor lets the robot move, then activate them.

        Raises:
            Refusal: If a driver cannot be connected or activated, or the robot may not move in time; says why.
        """
        due = time.monotonic() + timeout
        for name in DRIVERS:
            self._until(self._change[name].service_is_ready, due, f"{name} to start")
        for name in DRIVERS:
            self._connect(name, due)
        self._until(self._may_move.is_set, due, "the supervisor to let the robot move")
        for name in DRIVERS:
            if not self.change(name, Transition.TRANSITION_ACTIVATE):
                raise Refusal(f"{name} was not activated: {self._why(name)}", ErrorCode.HARDWARE)

    def _connect(self, name: str, due: float) -> None:
        """Configure a driver; one that was connected before begins anew, without what it complained of."""
        if self._state_of(name) == State.PRIMARY_STATE_ACTIVE:
            self.change(name, Transition.TRANSITION_DEACTIVATE)
        if self._state_of(name) == State.PRIMARY_STATE_INACTIVE:
            self.change(name, Transition.TRANSITION_CLEANUP)
        if not self.change(name, Transition.TRANSITION_CONFIGURE):
            raise Refusal(f"{name} was not connected: {self._why(name)}", ErrorCode.HARDWARE)

    def deactivate(self) -> None:
        """Put the drivers on hold; those that are not active are left alone."""
        for name in DRIVERS:
            if self._state_of(name) == State.PRIMARY_STATE_ACTIVE:
                self.change(name, Transition.TRANSITION_DEACTIVATE)

    def change(self, name: str, transition: int) -> bool:
        """Return whether a driver made a transition."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self._call(self._change[name], request).success)

    def _state_of(self, name: str) -> int:
        return int(self._call(self._state[name], GetState.Request()).current_state.id)

    def _call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self._until(future.done, time.monotonic() + _ANSWER, f"an answer of {client.srv_name}")
        return future.result()

    def _until(self, condition: Callable[[], Any], due: float, what: str) -> None:
        while not condition():
            if self.closing.is_set():
                raise Canceled("the graph is closing")
            if time.monotonic() > due:
                raise Refusal(f"waited in vain for {what}: {self._why()}", ErrorCode.TIMEOUT)
            time.sleep(_POLL)

    def _why(self, name: str = "") -> str:
        known = [text for node, text in sorted(self._reasons.items()) if name in node]
        return "; ".join(known) or "its log says why"

    def _on_supervisor(self, message: Bool) -> None:
        if message.data:
            self._may_move.clear()
        else:
            self._may_move.set()

    def _on_status(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node = status.name.partition(":")[0]
            if status.level != DiagnosticStatus.OK:
                self._reasons[node] = f"{node}: {status.message}"
            else:
                self._reasons.pop(node, None)
