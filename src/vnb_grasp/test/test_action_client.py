"""The action client hears answers that come before their request is noted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

import rclpy
from rclpy.action import ActionServer
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from vnb_msgs.action import MoveHand

from vnb_grasp.nodes.action_client import LockedActionClient
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning

pytestmark = pytest.mark.ros


class SlowNotes:
    """A client handle whose requests are out long before their sender can note them."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._handle, name)
        if not name.startswith("send_"):
            return method

        def slowly(request: Any) -> Any:
            number = method(request)
            time.sleep(0.3)
            return number

        return slowly


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context, domain_id=97)
    yield context
    rclpy.try_shutdown(context=context)


def test_an_answer_before_the_request_is_noted_is_not_lost(context: Context) -> None:
    node = VnbNode("tested", context=context, enable_rosout=False)

    def finish(goal: Any) -> MoveHand.Result:
        goal.succeed()
        return MoveHand.Result()

    group = ReentrantCallbackGroup()
    server = ActionServer(node, MoveHand, "hand/move", finish, callback_group=group)
    client = LockedActionClient(node, MoveHand, "hand/move", callback_group=group)
    with spinning(context, [node]):
        assert client.wait_for_server(10.0)
        client._client_handle = SlowNotes(client._client_handle)
        accepted = client.send_goal_async(MoveHand.Goal())
        end = time.monotonic() + 10.0
        while not accepted.done() and time.monotonic() < end:
            time.sleep(0.01)
        assert accepted.done(), "the acceptance was lost"
        result = accepted.result().get_result_async()
        while not result.done() and time.monotonic() < end:
            time.sleep(0.01)
        assert result.done(), "the result was lost"
    node.destroy_node()
    del server
