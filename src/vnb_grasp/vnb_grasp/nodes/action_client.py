"""An action client that may be used from another thread than the executor's."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.action import ActionClient


class LockedActionClient(ActionClient):
    """rclpy's action client, whose answers are taken only once their requests are on its books.

    rclpy sends a request first and notes it afterwards. If the executor runs in another thread and the answer comes in
    between, it is "unexpected", is dropped, and the sender waits for ever.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._books = threading.RLock()  # before the base class, which the executor may use at once
        super().__init__(*arguments, **options)

    def send_goal_async(self, *arguments: Any, **options: Any) -> Any:
        """See :meth:`rclpy.action.ActionClient.send_goal_async`."""
        with self._books:
            return super().send_goal_async(*arguments, **options)

    def _cancel_goal_async(self, *arguments: Any, **options: Any) -> Any:
        with self._books:
            return super()._cancel_goal_async(*arguments, **options)

    def _get_result_async(self, *arguments: Any, **options: Any) -> Any:
        with self._books:
            return super()._get_result_async(*arguments, **options)

    def take_data(self) -> Any:
        """See :meth:`rclpy.action.ActionClient.take_data`."""
        with self._books:
            return super().take_data()
