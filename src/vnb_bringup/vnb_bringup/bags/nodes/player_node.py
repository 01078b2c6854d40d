"""Publishes the messages of a bag again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock

from vnb_bringup.bags.definitions import share_folders
from vnb_bringup.bags.nodes.types import all_latched, message_class, publishing_qos
from vnb_bringup.bags.reader import BagMessage, BagReader
from vnb_bringup.bags.schedule import PlayOptions, schedule
from vnb_grasp.errors import BagError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode

_CLOCK = "/clock"
_DEPTH = 100
_ACKNOWLEDGE = 10.0


class PlayerNode(VnbNode):
    """Has a publisher for every topic that is played, with the quality of service that was recorded.

    Args:
        bag: It is played.
        topics: Names; None plays all.
        play: How.
        options: For the node.

    Raises:
        BagError: If a type is not installed here, or was another one when the bag was recorded.
        UnknownNameError: If the bag has no such topic.
    """

    def __init__(
        self, bag: BagReader, topics: Collection[str] | None = None, play: PlayOptions | None = None, **options: Any
    ) -> None:
        super().__init__("player", **options)
        self._bag = bag
        self._play = play or PlayOptions()
        chosen = list(bag.topics) if topics is None else list(dict.fromkeys(topics))
        bag.require_topics(chosen)
        self._topics = [name for name in chosen if not (self._play.clock and name == _CLOCK)]
        refuse_mismatches(bag, self._topics)
        self._out = {
            name: self.create_publisher(
                message_class(bag.topics[name].type), name, publishing_qos(bag.topics[name].qos, _DEPTH)
            )
            for name in self._topics
        }
        self._clock_out = self.create_publisher(Clock, _CLOCK, qos.CLOCK) if self._play.clock else None
        self.published: Counter[str] = Counter()

    def play(self, ended: threading.Event) -> None:
        """Publish until the end of the bag or the event, and wait until reliable subscribers have it all.

        Raises:
            BagError: If the bag is damaged.
        """
        begin = self._bag.info.start + round(self._play.start * 1e9)
        self._publish_latched(begin)
        started = time.monotonic()
        for due in schedule(lambda: self._bag.messages(self._topics, begin), begin, self._play):
            if ended.wait(max(started + due.after - time.monotonic(), 0.0)):
                return
            if due.message is None:
                self._tell_time(due.time)
            else:
                self._publish(due.message)
        deadline = time.monotonic() + _ACKNOWLEDGE
        for publisher in self._out.values():
            publisher.wait_for_all_acked(Duration(seconds=max(deadline - time.monotonic(), 0.001)))

    def _publish_latched(self, begin: int) -> None:
        """Publish what was latched before the beginning: a subscriber would have it by then."""
        names = [name for name in self._topics if all_latched(self._bag.topics[name].qos)]
        if self._play.start and names:
            for message in self._bag.messages(names, end=begin):
                self._publish(message)

    def _publish(self, message: BagMessage) -> None:
        self._out[message.topic].publish(message.data)
        self.published[message.topic] += 1

    def _tell_time(self, nanoseconds: int) -> None:
        if self._clock_out is not None:
            seconds, rest = divmod(nanoseconds, 1_000_000_000)
            self._clock_out.publish(Clock(clock=Time(sec=seconds, nanosec=rest)))


def refuse_mismatches(bag: BagReader, topics: Collection[str]) -> None:
    """Raise :class:`BagError` if types of these topics are defined otherwise here; says how they differ."""
    found = bag.mismatches(share_folders(), topics)
    if found:
        raise BagError(
            f"bag {bag.path}: recorded with other messages than those installed here:\n  "
            + "\n  ".join(mismatch.explain() for mismatch in found)
            + "\nUse the version of the messages that it was recorded with, or choose other topics with --topic."
        )


def run(
    bag: BagReader, topics: Collection[str] | None, play: PlayOptions, ended: threading.Event, delay: float
) -> Counter[str]:
    """Play a bag in a node of this process; return the numbers of messages published by topic.

    Args:
        bag: It is played.
        topics: Names; None plays all.
        play: How.
        ended: Ends it early.
        delay: Time that subscribers have to find the publishers [s].

    Raises:
        VnbError: If it cannot be played.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = PlayerNode(bag, topics, play)
        try:
            if not ended.wait(delay):
                node.play(ended)
            return node.published
        finally:
            node.close()
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
