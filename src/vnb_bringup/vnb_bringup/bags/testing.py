"""What the tests of bags share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vnb_bringup.bags.definitions import RULE, Definition
from vnb_bringup.bags.metadata import Qos, Topic
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.writer import BagWriter

STAMPED = Definition(
    "demo_msgs/msg/Stamped",
    f"builtin_interfaces/Time stamp\nuint8[] data\n{RULE}\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n",
    "RIHS01_" + "ab" * 32,
)
TEXT = Definition("std_msgs/msg/String", "string data\n", "RIHS01_" + "cd" * 32)
TOPICS = (
    (Topic("/stamped", STAMPED.name, STAMPED.type_hash, (Qos(),)), STAMPED),
    (Topic("/text", TEXT.name, TEXT.type_hash, (Qos(durability="transient_local"), Qos(depth=1))), TEXT),
)
START = 1_700_000_000_000_000_000

Written = tuple[str, int, int, bytes]


def text_message(text: str) -> bytes:
    """Return a ``std_msgs/msg/String`` as little-endian CDR."""
    data = text.encode() + b"\0"
    return b"\0\1\0\0" + len(data).to_bytes(4, "little") + data


def texts(count: int, period: int = 1_000_000) -> list[Written]:
    """Return messages for ``/text`` as (topic, reception, publication, data)."""
    return [("/text", START + i * period, START + i * period - 10, text_message(f"message {i}")) for i in range(count)]


def kept(message: Written, storage: str) -> Written:
    """Return what a storage keeps of a message: SQLite files of rosbag2 have one time only."""
    topic, received, published, data = message
    return (topic, received, published if storage == "mcap" else received, data)


def write_bag(folder: Path, messages: Iterable[Written], storage: str = "mcap", split_bytes: int = 0) -> Path:
    """Write a whole bag with the topics of :data:`TOPICS`."""
    with BagWriter(folder, storage, split_bytes, {"about": "a test"}) as writer:
        for topic, definition in TOPICS:
            writer.add_topic(topic, definition)
        for name, received, published, data in messages:
            writer.write(name, received, data, published)
    return folder


def read_bag(path: Path) -> list[Written]:
    """Return all messages of a bag."""
    with BagReader(path) as bag:
        return [(message.topic, message.time, message.published, message.data) for message in bag.messages()]
