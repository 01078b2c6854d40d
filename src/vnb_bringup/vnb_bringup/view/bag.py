"""The snapshots of a rosbag2 bag: a folder, or one of its storage files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rclpy.serialization import deserialize_message

from vnb_bringup.bags.nodes.player_node import refuse_mismatches
from vnb_bringup.bags.nodes.types import message_class
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.view.assemble import TOPICS, Assembler
from vnb_bringup.view.clouds import CLOUD_TOPICS, IMAGE_TOPICS
from vnb_bringup.view.snapshot import Snapshot
from vnb_grasp.errors import BagError

LIMIT = 20_000
"""Most snapshots kept in memory; of more, every second one is dropped."""

PERIOD = 0.02
"""Least simulated time between two snapshots [s]."""

CLOUD_PERIOD = 0.2
"""Least time between two clouds of one camera [s]."""

CLOUDS = 500
"""Clouds after which that time doubles: an hour of two cameras is some 300 MB."""

_KINDS = TOPICS | CLOUD_TOPICS | IMAGE_TOPICS
_LARGE = {topic for topic in _KINDS if topic.endswith(("/points", "/image_rect_raw"))}


def read_bag(path: Path, assembler: Assembler, namespace: str = "") -> list[Snapshot]:
    """Return what a bag shows, in the order in which it was recorded; at least one snapshot.

    Args:
        path: Bag folder, or one of its files.
        assembler: Of the robot that was recorded.
        namespace: Namespace of the graph's topics.

    Raises:
        BagError: If it is no bag, is damaged, holds nothing that can be shown, or messages of another version.
        ConfigError: If a message is of another robot.
    """
    snapshots: list[Snapshot] = []
    stride, skipped = 1, 0
    for snapshot in _moments(path, assembler, namespace):
        skipped += 1
        if skipped < stride:
            continue
        skipped = 0
        snapshots.append(snapshot)
        if len(snapshots) > LIMIT:
            del snapshots[1:-1:2]
            stride *= 2
    if assembler.snapshot is not (snapshots[-1] if snapshots else None):
        snapshots.append(assembler.snapshot)
    return snapshots


def _moments(path: Path, assembler: Assembler, namespace: str) -> Iterator[Snapshot]:
    """Yield the snapshot of every moment, complete: when the next one begins."""
    latest, restarts, began = assembler.snapshot, assembler.restarts, None
    for topic, message in messages(path, namespace):
        snapshot = assembler.take(topic, message)
        if began is None:
            began = snapshot.time
        elif snapshot.time - began >= PERIOD or assembler.restarts != restarts:
            yield latest
            began, restarts = snapshot.time, assembler.restarts
        latest = snapshot


def messages(path: Path, namespace: str = "") -> Iterator[tuple[str, Any]]:
    """Yield topic (without namespace) and message of everything in a bag that a snapshot is made of.

    Raises:
        BagError: As :func:`read_bag`.
    """
    with BagReader(path) as bag:
        wanted = _wanted(bag, namespace)
        refuse_mismatches(bag, list(wanted))
        classes = {full: message_class(_KINDS[short]) for full, short in wanted.items()}
        empty, pace = True, _Pace()
        for message in bag.messages(list(wanted)):
            empty = False
            topic = wanted[message.topic]
            if topic in _LARGE and not pace.due(topic, message.time):
                continue
            yield topic, deserialize_message(message.data, classes[message.topic])
    if empty:
        raise BagError(f"bag {path}: got no message on {', '.join(wanted)}; there is nothing to see")


def _wanted(bag: BagReader, namespace: str) -> dict[str, str]:
    """Return the topics of the bag that a snapshot is made of, by their full names."""
    prefix = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
    known = {prefix + topic: topic for topic in TOPICS}
    wanted = {full: topic for full, topic in known.items() if full in bag.topics}
    if not wanted:
        got = ", ".join(sorted(bag.topics)) or "no topic"
        raise BagError(f"bag {bag.path}: got {got}; expected some of {', '.join(known)}; another --namespace?")
    wanted |= _clouds(bag, prefix)
    for full, topic in wanted.items():
        if bag.topics[full].type != _KINDS[topic]:
            raise BagError(f"bag {bag.path}: {full} is {bag.topics[full].type}, expected {_KINDS[topic]}")
    return wanted


def _clouds(bag: BagReader, prefix: str) -> dict[str, str]:
    """Return the topics of each camera's cloud, or else of its images, by their full names."""
    found = {}
    for cloud in CLOUD_TOPICS:
        camera = cloud.partition("/")[0]
        images = [topic for topic in IMAGE_TOPICS if topic.startswith(f"{camera}/")]
        recorded = prefix + cloud in bag.topics and bag.info.counts.get(prefix + cloud, 0) > 0
        chosen = [cloud] if recorded else images
        found.update({prefix + topic: topic for topic in chosen if prefix + topic in bag.topics})
    return found


class _Pace:
    """Says which clouds are taken: five a second, and the longer the bag the fewer, so that memory stays bounded."""

    def __init__(self) -> None:
        self._period, self._taken = CLOUD_PERIOD, 0
        self._last: dict[str, int] = {}

    def due(self, topic: str, time: int) -> bool:
        """Return whether the cloud or image on ``topic``, received at ``time`` [ns], is taken."""
        if time - self._last.get(topic, -(1 << 62)) < 1e9 * self._period:
            return False
        self._last[topic] = time
        self._taken += 1
        if self._taken % CLOUDS == 0:
            self._period *= 2.0
        return True
