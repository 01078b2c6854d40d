"""Records all topics of the graph into a bag, from raw subscriptions: nothing is deserialized."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden
from vnb_msgs.msg import ErrorCode

from vnb_bringup.bags.background import BackgroundWriter
from vnb_bringup.bags.definitions import Definition, load_definition, share_folders
from vnb_bringup.bags.gaps import SequenceGaps
from vnb_bringup.bags.metadata import BagInfo, Qos, Topic
from vnb_bringup.bags.nodes.node_parameters import NodeParameters
from vnb_bringup.bags.nodes.types import hash_text, message_class, recorded_qos, subscribing_qos
from vnb_bringup.bags.writer import BagWriter
from vnb_grasp.errors import BagError, VnbError
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.parameters import declare, parameter

NAME = "recorder"
_LOOK_PERIOD = 0.1
_DEPTH = 200
_DRAIN = 30.0
"""Most time after the end for what was published before it [s]."""
_EMPTY, _LATE = 8, 50
"""Looks in a row that find no message, or none from before the end, after which none is expected; looks, not seconds:
on a busy machine seconds pass without one."""
_LOOK = 0.05
ON_DEMAND = frozenset({"sensor_msgs/msg/PointCloud2"})
"""What is made of other topics for whoever listens: recorded only by name, or recording would make it."""


@dataclass(frozen=True)
class RecorderConfig:
    """Parameters of the node."""

    out: str = parameter("", "folder of the bag; it must not be there")
    storage: str = parameter("mcap", "mcap or sqlite3")
    split_megabytes: float = parameter(0.0, "size at which a file is closed and the next one begun; 0 = never", 0.0)
    compress: bool = parameter(True, "compress the chunks of an mcap file")
    topics: str = parameter("", "names of the topics to record, separated by commas; empty = all")
    notes: str = parameter("", "YAML mapping of texts that belong to the bag")
    parent: int = parameter(0, "process that started this one: recording ends when it has ended; 0 = never", 0)
    published: str = parameter("", "JSON file in which the parent tells, at the end, what each topic's publisher sent")
    memory_megabytes: float = parameter(64.0, "what may wait for the disk; messages beyond are dropped", 1.0)


@dataclass(frozen=True)
class _Heard:
    """A topic that is recorded, with all that its publishers have offered so far."""

    topic: Topic
    definition: Definition
    subscription: Subscription


class RecorderNode(VnbNode):
    """Subscribes to every topic as it appears, hidden ones aside, with a profile that hears all its publishers.

    Raises:
        BagError: If the bag cannot be made.
        UnknownNameError: If there is no such storage.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(NAME, **options)
        self.config = config = declare(self, RecorderConfig)
        if not config.out:
            raise BagError("recorder: got no folder for the bag, set the parameter `out`")
        self._wanted = frozenset(self._full_name(name.strip()) for name in config.topics.split(",") if name.strip())
        self._shares = share_folders()
        megabyte = 1 << 20
        split = int(config.split_megabytes * megabyte)
        notes = _notes(config.notes)
        writer = BagWriter(Path(config.out), config.storage, split, notes, compress=config.compress)
        self._bag = BackgroundWriter(writer, int(config.memory_megabytes * megabyte))
        self._seen: set[str] = set()
        self._heard: dict[str, _Heard] = {}
        self._parameters = NodeParameters(self, self._bag.note)
        self.lost: Counter[str] = Counter()
        self._gaps = SequenceGaps()
        self._end = 0
        self.arrivals = self.late_arrivals = 0
        self._look()
        self.create_timer(_LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _full_name(self, name: str) -> str:
        try:
            return self.resolve_topic_name(name)
        except rclpy_implementation.RCLError as error:
            told = " ".join(str(error).split())
            raise BagError(f"recorder: got the topic {name!r}, expected a name of ROS 2 ({told})") from error

    # --- topics ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Record topics, and note parameters of nodes, that were not there before."""
        with self.border():
            for name, types in self.get_topic_names_and_types():
                if topic_or_service_is_hidden(name):
                    continue
                if self._wanted and name not in self._wanted:
                    continue
                if not self._wanted and ON_DEMAND.issuperset(types):
                    continue
                publishers = self.get_publishers_info_by_topic(name)
                if name in self._heard:
                    self._join(name, publishers)
                elif publishers and name not in self._seen:
                    self._seen.add(name)
                    self._record(name, types, publishers)
            self._parameters.look()

    def _record(self, name: str, types: Sequence[str], publishers: Sequence[Any]) -> None:
        with self.border():
            if len(types) != 1:
                raise BagError(f"topic {name}: got the types {', '.join(types)}, expected one; it is not recorded")
            kind, definition = message_class(types[0]), load_definition(types[0], self._shares)
            _require_same(name, definition, publishers)
            topic = Topic(name, types[0], definition.type_hash, _offers((), publishers))
            self._bag.add_topic(topic, definition)
            self._heard[name] = _Heard(topic, definition, self._subscribe(kind, topic))

    def _subscribe(self, kind: Any, topic: Topic) -> Subscription:
        return self.create_subscription(
            kind,
            topic.name,
            self._receiver(topic.name),
            subscribing_qos(topic.qos, _DEPTH),
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(message_lost=lambda event: self._lose(topic.name, event)),
        )

    def _join(self, name: str, publishers: Sequence[Any]) -> None:
        """Hear publishers that came later too: one that offers less than those before needs a weaker subscription."""
        heard = self._heard[name]
        topic = replace(heard.topic, qos=_offers(heard.topic.qos, publishers))
        if topic == heard.topic:
            return
        self._bag.add_topic(topic, heard.definition)
        subscription = heard.subscription
        if subscribing_qos(topic.qos, _DEPTH) != subscribing_qos(heard.topic.qos, _DEPTH):
            _take_waiting(subscription)
            self.destroy_subscription(subscription)
            subscription = self._subscribe(subscription.msg_type, topic)
            self.diagnose(
                ErrorCode.BAG,
                f"topic {name}: a publisher with less quality of service has joined, so the topic is subscribed to "
                "anew; what was published in that moment may be missing",
            )
        self._heard[name] = _Heard(topic, heard.definition, subscription)

    def _receiver(self, name: str) -> Callable[[bytes, Any], None]:
        put, hear = self._bag.put, self._gaps.hear

        def receive(data: bytes, info: Any) -> None:
            if self._end and info["source_timestamp"] > self._end:
                self.late_arrivals += 1
                return
            hear(name, info["publication_sequence_number"])
            put(name, info["received_timestamp"], info["source_timestamp"], data)
            self.arrivals += 1

        return receive

    def _lose(self, name: str, event: Any) -> None:
        self.lost[name] += event.total_count_change

    # --- the end --------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Take from now on only what has been published already."""
        self._end = time.time_ns()

    def finish(self) -> BagInfo:
        """Close the bag and return what it holds.

        Raises:
            BagError: If it could not be written to its end.
        """
        unheard = self._gaps.lost() + self._gaps.behind(_sent(self.config.published))
        dropped = (self.lost | unheard) + self._bag.dropped  # the middleware tells of some losses only
        self._bag.note({"dropped": yaml.safe_dump(dict(dropped))})
        info = self._bag.close()
        if absent := sorted(self._wanted - self._seen):
            self.diagnose(ErrorCode.BAG, f"topics that nobody published: {', '.join(absent)}")
        if dropped:
            self.diagnose(ErrorCode.BAG, f"messages that are not in the bag: {dict(dropped)}")
        return info

    @property
    def over(self) -> bool:
        """Whether there is nothing to record for any more: writing has failed, or the parent has ended."""
        return self._bag.error is not None or self.config.parent not in (0, os.getppid())


def _take_waiting(subscription: Subscription) -> None:
    """Take what waits in a subscription: it would be lost with it."""
    with subscription.handle:
        while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
            subscription.callback(*taken)


def _offers(known: tuple[Qos, ...], publishers: Sequence[Any]) -> tuple[Qos, ...]:
    """Return the offers that are known and, after them, those of these publishers that are others."""
    return tuple(dict.fromkeys((*known, *(recorded_qos(publisher.qos_profile) for publisher in publishers))))


def _require_same(name: str, definition: Definition, publishers: Sequence[Any]) -> None:
    """Raise :class:`BagError` if a publisher sends another version of the type than the one that is installed here."""
    for publisher in publishers:
        sent = hash_text(publisher.topic_type_hash)
        if sent and definition.type_hash and sent != definition.type_hash:
            raise BagError(
                f"topic {name}: node {publisher.node_name} publishes {definition.name} of hash {sent}, the one "
                f"installed here has {definition.type_hash}; build the same messages on both machines. It is not "
                "recorded"
            )


def _sent(path: str) -> dict[str, tuple[int, int]]:
    """Return what publishers sent before the recorder listened and in all, by topic; nothing if nobody tells."""
    if not path or not Path(path).is_file():
        return {}
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    return {topic: (int(before), int(total)) for topic, (before, total) in told.items()}


def _notes(text: str) -> dict[str, str]:
    given = yaml.safe_load(text) if text else {}
    if not isinstance(given, dict):
        raise BagError(f"recorder: got notes {text!r}, expected a YAML mapping")
    return {str(key): str(value) for key, value in given.items()}


def record(node: RecorderNode, ended: threading.Event) -> BagInfo:
    """Record until the event, and then until nothing more is on its way; return what the bag holds.

    Raises:
        BagError: If the bag could not be written.
    """
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    try:
        while not ended.is_set() and node.context.ok() and not node.over:
            executor.spin_once(timeout_sec=0.2)
        node.stop()
        _drain(node, executor)
        return node.finish()
    finally:
        executor.shutdown()


def _drain(node: RecorderNode, executor: SingleThreadedExecutor) -> None:
    """Take what was published before the end and is on its way."""
    due, empty, late = time.monotonic() + _DRAIN, 0, 0
    while empty < _EMPTY and late < _LATE and time.monotonic() < due and node.context.ok():
        before = node.arrivals, node.late_arrivals
        executor.spin_once(timeout_sec=_LOOK)
        late = late + 1 if node.arrivals == before[0] else 0
        empty = empty + 1 if (node.arrivals, node.late_arrivals) == before else 0


def run(arguments: Sequence[str] | None = None, duration: float = 0.0, **options: Any) -> BagInfo:
    """Record until SIGINT or SIGTERM, or for ``duration`` seconds if it is not 0; return what the bag holds.

    Raises:
        VnbError: If the bag cannot be made or written.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = RecorderNode(**options)
        if duration:
            timer = threading.Timer(duration, ended.set)
            timer.daemon = True
            timer.start()
        try:
            return record(node, ended)
        finally:
            node.close()
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def main() -> int:
    """Run the node."""
    try:
        run()
    except VnbError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
