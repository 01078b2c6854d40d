"""What the tests of the graph share."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message

from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import run_episode
from vnb_benchmark.vision import pose_source_maker
from vnb_bringup.graph.composition import Graph, composed_graph
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.report.from_episode import record_of_episode
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_grasp.nodes.action_client import LockedActionClient
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import Scenario, draw_scenario

OBJECT = "cube"
MAX_STEPS = 20
SETTINGS = TrialSettings("vnb", "prior", battery=False)
GRAPH = GraphSettings(object_name=OBJECT, belief="prior")


def scenario() -> Scenario:
    """Return the scenario of all tests."""
    return draw_scenario(OBJECT, "bimodal", 0)


def reference(pose_source: str = "sensor", max_steps: int = MAX_STEPS) -> TrialRecord:
    """Return the record of the trial that runs without middleware."""
    drawn = scenario()
    bridge = SimBridge(drawn, make_pose_source=pose_source_maker(pose_source))
    parameters = {"max_steps": max_steps}
    chain = ControlChain(bridge.world.hand, bridge.world.object, "vnb", "prior", parameters=parameters)
    episode = run_episode(bridge, chain, drawn, max_steps=max_steps, teleport=False, battery=False)
    bridge.close()
    return record_of_episode(episode, method="vnb", belief="prior", beta=SETTINGS.beta)


def reproducible(step: StepRecord) -> str:
    """Return all of a step but wall-clock time; as text, in which NaN equals NaN and every bit counts."""
    return repr(replace(step, planning_time=0.0))


def assert_same_trial(got: TrialRecord, expected: TrialRecord) -> None:
    """Fail unless two trials agree to the bit, wall-clock times aside."""
    assert (got.error_code, got.error_message) == (0, "")
    assert [step.step for step in got.steps] == [step.step for step in expected.steps]
    for mine, theirs in zip(got.steps, expected.steps, strict=True):
        assert reproducible(mine) == reproducible(theirs)
    assert got.stop_reason == expected.stop_reason
    assert (got.pregrasp, got.attempts, got.abstained) == (expected.pregrasp, expected.attempts, expected.abstained)
    assert repr(got.verdict) == repr(expected.verdict)


def until(condition: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    """Wait for a condition; fail with ``what`` if it does not come true in time."""
    due = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < due, f"waited {timeout} s for {what}"
        time.sleep(0.005)


class Wiretap:
    """Takes down what this process publishes while it is switched on.

    Args:
        keep: Keep the messages too, not only their number.

    Attributes:
        counts: Messages by topic.
        data: Serialized messages by topic, in order.
    """

    def __init__(self, keep: bool = True) -> None:
        self.counts: Counter[str] = Counter()
        self.data: dict[str, list[bytes]] = defaultdict(list)
        self._keep = keep
        self._lock = threading.Lock()
        self._publish = Publisher.publish

    def __enter__(self) -> Wiretap:
        def publish(publisher: Publisher, message: Any) -> None:
            with self._lock:
                self.counts[publisher.topic_name] += 1
                if self._keep:
                    data = message if isinstance(message, bytes) else serialize_message(message)
                    self.data[publisher.topic_name].append(data)
            self._publish(publisher, message)

        Publisher.publish = publish  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Publisher.publish = self._publish  # type: ignore[method-assign]


class Client:
    """Sends one goal and keeps what comes back."""

    def __init__(self, graph: Graph, kind: Any, name: str) -> None:
        self._client = LockedActionClient(graph.conductor, kind, name, callback_group=ReentrantCallbackGroup())
        until(self._client.server_is_ready, f"action server {name}")
        self.feedback: list[Any] = []
        self.name = name

    def send(self, goal: Any) -> None:
        """Send the goal."""
        sent = self._client.send_goal_async(goal, feedback_callback=lambda m: self.feedback.append(m.feedback))
        until(sent.done, f"acceptance by {self.name}")
        self.handle = sent.result()
        self._done = self.handle.get_result_async()

    def cancel(self) -> None:
        """Ask for the goal's cancellation."""
        self.handle.cancel_goal_async()

    def result(self) -> tuple[int, Any]:
        """Return the goal's final status and result."""
        until(self._done.done, f"the result of {self.name}")
        answer = self._done.result()
        return answer.status, answer.result


def call(graph: Graph, kind: Any, name: str, request: Any) -> Any:
    """Return a service's answer."""
    client = graph.conductor.create_client(kind, name, callback_group=ReentrantCallbackGroup())
    until(client.service_is_ready, f"service {name}")
    future = client.call_async(request)
    until(future.done, f"an answer of {name}")
    graph.conductor.destroy_client(client)
    return future.result()


@contextmanager
def graph(**options: Any) -> Iterator[Graph]:
    """Yield a composed graph that is connected; none of its threads is left behind."""
    before = _own_threads()
    with composed_graph(options.pop("settings", GRAPH), **options) as running:
        running.conductor.wait_until_ready()
        yield running
    left = _own_threads() - before
    assert not left, left


def _own_threads() -> set[threading.Thread]:
    """Return the threads that a graph starts when it is made; pools of other graphs may grow at any time."""
    return {thread for thread in threading.enumerate() if thread.name.startswith(("spinner", "world"))}
