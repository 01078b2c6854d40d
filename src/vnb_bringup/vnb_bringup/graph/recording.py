"""Record a composed graph into a bag, by a process of its own that takes no time from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden

from vnb_bringup.bags.nodes import recorder_node
from vnb_bringup.bags.nodes.types import message_class
from vnb_grasp.errors import BagError
from vnb_grasp.nodes.base import CountingPublisher

if TYPE_CHECKING:  # it imports every node of the graph
    from vnb_bringup.graph.composition import Graph

SPLIT_MEGABYTES = 512.0
"""Size of a bag's file at which the next one is begun [MB]."""
_READY_TIME = 30.0
_STOP_TIME = 60.0
_ACKNOWLEDGE_TIME = 10.0


@contextmanager
def recorded(
    graph: Graph, folder: Path, storage: str = "mcap", notes: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Record all topics of a graph inside the block; yields the process id of the recorder.

    Args:
        graph: It publishes nothing that is not recorded once the block is entered.
        folder: Of the bag; must not be there.
        storage: ``mcap`` or ``sqlite3``.
        notes: Texts that belong to the bag.

    Raises:
        BagError: If the recorder does not start, or the bag could not be written.
    """
    with tempfile.TemporaryDirectory() as place:
        yield from _recorded(graph, folder, storage, notes or {}, Path(place) / "published.json")


def _recorded(graph: Graph, folder: Path, storage: str, notes: Mapping[str, str], published: Path) -> Iterator[int]:
    command = _command(folder, storage, notes, published)
    environment = dict(os.environ, ROS_DOMAIN_ID=str(graph.domain))
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, stderr=log, start_new_session=True)
        try:
            if _connects(graph, process):
                before = _sent(graph)
                yield process.pid
                _wait_for_acknowledgement(graph)
                sent = {topic: (before.get(topic, 0), total) for topic, total in _sent(graph).items()}
                published.write_text(json.dumps(sent), encoding="utf-8")
        finally:
            _stop(process)
        log.seek(0)
        told = log.read().strip()
        if process.returncode != 0:
            raise BagError(f"the recorder of {folder} ended with status {process.returncode}: {told[-400:]}")
        if told:
            print(told, file=sys.stderr)


def _command(folder: Path, storage: str, notes: Mapping[str, str], published: Path) -> list[str]:
    command = [sys.executable, "-m", recorder_node.__name__, "--ros-args"]
    for name, value in (
        ("out", str(folder)),
        ("published", str(published)),
        ("storage", storage),
        ("split_megabytes", SPLIT_MEGABYTES),
        ("notes", json.dumps(dict(notes))),
        ("parent", os.getpid()),
    ):
        command += ["-p", f"{name}:={json.dumps(value)}"]
    return command


def _connects(graph: Graph, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the recorder hears every topic; return False if it has ended instead.

    Raises:
        BagError: If it takes too long.
    """
    due = time.monotonic() + _READY_TIME
    while missing := _missing(graph):
        if process.poll() is not None:
            return False
        if time.monotonic() > due:
            raise BagError(f"the recorder did not connect within {_READY_TIME:.0f} s to {', '.join(missing)}")
        time.sleep(0.05)
    return True


def _missing(graph: Graph) -> list[str]:
    """Return the topics that the recorder does not hear yet."""
    conductor = graph.conductor
    missing = []
    for publisher in _publishers(graph):
        topic = publisher.topic_name
        listeners = conductor.get_subscriptions_info_by_topic(topic)
        heard = any(listener.node_name == recorder_node.NAME for listener in listeners)
        if not heard or publisher.get_subscription_count() < len(listeners):
            missing.append(topic)
    return missing


def _publishers(graph: Graph) -> Iterator[Publisher]:
    """Yield the publishers of the topics that are recorded."""
    aside = tuple(message_class(name) for name in recorder_node.ON_DEMAND)
    for node in graph.nodes.values():
        for publisher in node.publishers:
            if publisher.msg_type not in aside and not topic_or_service_is_hidden(publisher.topic_name):
                yield publisher


def _wait_for_acknowledgement(graph: Graph) -> None:
    """Wait until the recorder has what reliable publishers have sent, or no longer hears them."""
    due = time.monotonic() + _ACKNOWLEDGE_TIME
    for publisher in _publishers(graph):
        publisher.wait_for_all_acked(Duration(seconds=max(due - time.monotonic(), 0.001)))


def _sent(graph: Graph) -> dict[str, int]:
    """Return how many messages were sent so far on each topic that has a single publisher, which counts."""
    found: dict[str, list[Publisher]] = defaultdict(list)
    for publisher in _publishers(graph):
        found[publisher.topic_name].append(publisher)
    return {
        topic: publishers[0].sent
        for topic, publishers in found.items()
        if len(publishers) == 1 and isinstance(publishers[0], CountingPublisher)
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let the recorder write what it has heard."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_TIME)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
