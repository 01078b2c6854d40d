"""The base of every node: no error leaves a callback; it becomes an error code, a diagnostic and a hold."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action import ActionClient, ActionServer
from rclpy.node import Node
from rclpy.publisher import Publisher
from vnb_msgs.msg import ErrorCode

from vnb_grasp.errors import VnbError
from vnb_grasp.nodes.qos import CHAIN

OnError = Callable[[int, str], None]


def fill(target: Any) -> OnError:
    """Return a handler that writes code and message into a response, result or message."""

    def write(code: int, message: str) -> None:
        target.error_code = code
        target.error_message = message

    return write


class Refusal(VnbError):
    """A request that this server cannot take now; the code is one of the shared ones."""

    def __init__(self, message: str, code: int = ErrorCode.REJECTED) -> None:
        super().__init__(message)
        self.code = int(code)


class Canceled(Refusal):
    """The work was canceled on request."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.CANCELED)


class CountingPublisher(Publisher):
    """Knows how many messages it has sent, so that a recorder can tell what never arrived.

    Attributes:
        sent: Number of messages.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent = 0
        self._counting = threading.Lock()

    def publish(self, message: Any) -> None:
        """Send a message."""
        with self._counting:  # the numbers of the middleware rise in the order of publishing
            super().publish(message)
            self.sent += 1


class VnbNode(Node):
    """A node with an error border and an orderly end."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.closing = threading.Event()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", CHAIN)

    def create_publisher(self, *arguments: Any, **options: Any) -> Publisher:
        """Return a publisher that counts."""
        return super().create_publisher(*arguments, **{"publisher_class": CountingPublisher, **options})

    @contextmanager
    def border(self, on_error: OnError | None = None) -> Iterator[None]:
        """Turn an error of the block into a diagnostic and a call of ``on_error`` with its code and message."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - this is the border that nothing may cross
            if self.closing.is_set() or not self.context.ok():
                return
            known = isinstance(error, VnbError)
            code = error.code if isinstance(error, VnbError) else ErrorCode.INTERNAL
            message = str(error) if known else f"{type(error).__name__}: {error}"
            self.diagnose(int(code), message, trace=not known)
            if on_error is not None:
                on_error(int(code), message)

    def diagnose(self, code: int, message: str, trace: bool = False) -> None:
        """Publish and log a problem; ``trace`` logs the present exception's traceback too."""
        text = f"error code {code}: {message}"
        if code in (ErrorCode.CANCELED, ErrorCode.REJECTED):
            level = DiagnosticStatus.WARN
            self.get_logger().warning(text)
        else:
            level = DiagnosticStatus.ERROR
            self.get_logger().error(f"{text}\n{traceback.format_exc()}" if trace else text)
        status = DiagnosticStatus(level=level, name=self.get_fully_qualified_name(), message=message)
        status.values = [KeyValue(key="error_code", value=str(code))]
        report = DiagnosticArray(status=[status])
        report.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(report)

    def close(self) -> None:
        """Let running callbacks end; called before the executor stops."""
        self.closing.set()

    def destroy_node(self) -> None:
        """Leave the graph: rclpy's own forgets the actions, and these keep the node in it for the process's life."""
        for waitable in tuple(self.waitables):
            if isinstance(waitable, ActionClient | ActionServer):
                waitable.destroy()
        super().destroy_node()
