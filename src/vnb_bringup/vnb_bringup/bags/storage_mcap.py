"""Bags in MCAP files, as rosbag2's own storage plugin lays them out."""

from __future__ import annotations

import heapq
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from mcap.exceptions import McapError
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer
from zstandard import ZstdError

from vnb_bringup.bags.definitions import Definition
from vnb_bringup.bags.metadata import Topic, parse_qos, qos_text
from vnb_grasp.errors import BagError

CHUNK = 1 << 20
"""Largest chunk [bytes]; what is not in a chunk yet lives in this process's memory only."""

_CUSTOM = "vnb"
_ROSBAG2 = "rosbag2"
_RECORD_LIMIT = 1 << 30
_BROKEN = (
    McapError,
    ZstdError,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    OSError,
    RuntimeError,
)


_Found = tuple[str, int, int, bytes]
"""Topic, reception and publication [ns] and bytes of a message."""


class McapOutput:
    """An MCAP file that is being written. A flush ends the chunk, so that every reader finds all that came before."""

    def __init__(self, path: Path, custom: Mapping[str, str], compress: bool = True) -> None:
        try:
            self._stream = path.open("xb")
        except OSError as error:
            raise BagError(f"{path}: cannot be written ({error.strerror}); give another folder") from error
        kind = CompressionType.ZSTD if compress else CompressionType.NONE
        self._writer = Writer(self._stream, chunk_size=CHUNK, compression=kind)
        self._writer.start(profile="ros2", library="vnb")
        if custom:
            self._writer.add_metadata(_CUSTOM, dict(custom))
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._sequences: dict[str, int] = {}
        self._pending = 0
        self._stream.flush()

    def add_topic(self, topic: Topic, definition: Definition) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        schema = Schema(0, definition.text.encode(), "ros2msg" if definition.text else "", definition.name)
        told = {"offered_qos_profiles": qos_text(topic.qos), "topic_type_hash": topic.type_hash}
        self._announce(topic.name, topic.serialization_format, told, schema)

    def copy_topic(self, channel: Channel, schema: Schema | None) -> None:
        """Announce a topic as another file does, in whatever language its type is defined there."""
        self._announce(channel.topic, channel.message_encoding, channel.metadata, schema)

    def _announce(self, name: str, encoding: str, told: dict[str, str], schema: Schema | None) -> None:
        identity = 0  # MCAP's number for no schema
        if schema is not None:
            if schema.name not in self._schemas:
                number = self._writer.register_schema(schema.name, schema.encoding, schema.data)
                self._schemas[schema.name] = number
            identity = self._schemas[schema.name]
        self._channels[name] = self._writer.register_channel(name, encoding, identity, told)
        self._sequences[name] = 0

    def note(self, custom: Mapping[str, str]) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        self._writer.flush()  # a record of its own, between two chunks
        self._writer.add_metadata(_CUSTOM, dict(custom))

    def write(self, topic: str, time: int, published: int, data: bytes) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        sequence = self._sequences[topic] = self._sequences[topic] + 1
        self._writer.add_message(self._channels[topic], time, data, published, sequence)
        self._pending += len(data)

    def flush(self) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        self._writer.flush()
        self._pending = 0

    def size(self) -> int:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        return self._stream.tell() + min(self._pending, CHUNK)

    def close(self, metadata: str) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        self._writer.flush()
        self._writer.add_metadata(_ROSBAG2, {"serialized_metadata": metadata})
        self._writer.finish()
        self._stream.close()


class McapFile:
    """An MCAP file that is read; one that was never closed is read as far as it goes.

    Raises:
        BagError: If it is no MCAP file, or none of ROS 2.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _require_mcap(path)
        self._stream = path.open("rb")
        self.topics: dict[str, Topic] = {}
        self.definitions: dict[str, Definition] = {}
        self.custom: dict[str, str] = {}
        self._announced: dict[str, tuple[Channel, Schema | None]] = {}
        self._channels: dict[int, Channel] = {}
        self._schemas: dict[int, Schema] = {}
        self._blocks: list[tuple[int, int, int]] = []  # first and last time, and offset, of an index that we make
        self._reader: SeekingReader | None = None
        try:
            self._reader = self._read_index()
            self.complete = self._reader is not None
            if self._reader is None:
                for offset, found in self._scan():
                    times = [time for _, time, _, _ in found]
                    self._blocks += [(min(times), max(times), offset)] if times else []
        except BaseException:
            self._stream.close()
            raise

    def _read_index(self) -> SeekingReader | None:
        """Return a reader by the file's index, and learn the topics from it; None if there is no sound one."""
        try:
            reader = SeekingReader(self._stream, validate_crcs=True, record_size_limit=_RECORD_LIMIT)
            summary = reader.get_summary()
            if summary is None:
                return None
            for channel in summary.channels.values():
                self._know(channel, summary.schemas.get(channel.schema_id))
            for record in reader.iter_metadata():
                self._note(record)
        except (BagError, *_BROKEN):
            self.topics, self.definitions, self.custom, self._announced = {}, {}, {}, {}
            return None
        self._channels = dict(summary.channels)  # the block that announces a topic may be damaged
        self._schemas = dict(summary.schemas)
        return reader

    def _know(self, channel: Channel, schema: Schema | None) -> None:
        told = channel.metadata
        name = schema.name if schema else "unknown/msg/Unknown"
        kind = told.get("topic_type_hash", "")
        self.topics.setdefault(
            channel.topic,
            Topic(channel.topic, name, kind, parse_qos(told.get("offered_qos_profiles")), channel.message_encoding),
        )
        text = schema.data.decode() if schema and schema.encoding == "ros2msg" else ""
        self.definitions.setdefault(name, Definition(name, text, kind))
        self._announced.setdefault(channel.topic, (channel, schema))

    def _note(self, record: Metadata) -> None:
        if record.name == _CUSTOM:
            self.custom.update(record.metadata)

    def messages(
        self, topics: Iterable[str] | None = None, start: int | None = None, end: int | None = None
    ) -> Iterator[tuple[str, int, int, bytes]]:
        """See :class:`vnb_bringup.bags.storage.Input`."""
        if self._reader is None:
            low, high = start or 0, 2**64 if end is None else end
            wanted = set(self.topics if topics is None else topics)
            yield from (m for m in self._by_time(low, high) if m[0] in wanted and low <= m[1] < high)
            return
        try:
            for _, channel, message in self._reader.iter_messages(topics, starting_at=start, ending_before=end):
                yield channel.topic, message.log_time, message.publish_time, message.data
        except _BROKEN as error:
            raise BagError(
                f"{self._path}: damaged ({type(error).__name__}: {error}); `./vnb bag recover` keeps what can be read"
            ) from error

    def _by_time(self, low: int, high: int) -> Iterator[_Found]:
        """Yield all messages of the blocks that reach into a time, ordered; only blocks that overlap are in memory."""
        waiting: list[tuple[int, int, int, _Found]] = []  # in the file's order where times are equal
        for begin, end, offset in sorted(self._blocks):
            if begin >= high or end < low:
                continue
            while waiting and waiting[0][0] < begin:
                yield heapq.heappop(waiting)[3]
            for number, message in enumerate(self._read_block(offset)):
                heapq.heappush(waiting, (message[1], offset, number, message))
        while waiting:
            yield heapq.heappop(waiting)[3]

    def _read_block(self, offset: int) -> list[_Found]:
        self._stream.seek(offset)
        for _, records in _blocks(self._stream):
            return self._take(records)
        raise BagError(f"{self._path}: it has changed while it was read")

    def times(self) -> Iterator[tuple[str, int]]:
        """See :class:`vnb_bringup.bags.storage.Input`."""
        for topic, time, _, _ in self._all() if self._reader is None else self.messages():
            yield topic, time

    def _all(self) -> Iterator[_Found]:
        for _, found in self._scan():
            yield from found

    def _scan(self) -> Iterator[tuple[int, list[_Found]]]:
        """Yield offset and messages of each block, up to where the file breaks off, and learn topics on the way."""
        with self._path.open("rb") as stream:
            for offset, records in _blocks(stream):
                yield offset, self._take(records)

    def _take(self, records: list[McapRecord]) -> list[_Found]:
        """Learn the topics among some records, and return the messages among them."""
        found = []
        for record in records:
            if isinstance(record, Schema):
                self._schemas[record.id] = record
            elif isinstance(record, Channel):
                self._channels[record.id] = record
                try:
                    self._know(record, self._schemas.get(record.schema_id))
                except (BagError, *_BROKEN) as error:
                    raise BagError(f"{self._path}: topic {record.topic}: cannot be read ({error})") from error
            elif isinstance(record, Metadata):
                self._note(record)
            elif isinstance(record, Message) and record.channel_id in self._channels:
                topic = self._channels[record.channel_id].topic
                found.append((topic, record.log_time, record.publish_time, record.data))
        return found

    def close(self) -> None:
        """See :class:`vnb_bringup.bags.storage.Input`."""
        self._stream.close()

    @staticmethod
    def mend(path: Path) -> None:
        """Write the file anew as far as it can be read, with the index that it lacks.

        Raises:
            BagError: If it is no MCAP file of ROS 2.
        """
        whole = path.with_name(path.name + ".part")
        whole.unlink(missing_ok=True)
        source = McapFile(path)
        output = McapOutput(whole, source.custom)
        for announced in source._announced.values():
            output.copy_topic(*announced)
        for message in source._all():
            output.write(*message)
        output.close("")
        source.close()
        os.replace(whole, path)


def _require_mcap(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(MCAP0_MAGIC))
    except OSError as error:
        raise BagError(f"{path}: cannot be read ({error.strerror})") from error
    if magic != MCAP0_MAGIC:
        raise BagError(f"{path}: got a file that begins with {magic!r}, expected an MCAP file")
    with path.open("rb") as stream:
        _, records = next(_blocks(stream), (0, []))
    header = records[0] if records else None
    profile = getattr(header, "profile", "none")
    if header is not None and profile != "ros2":
        raise BagError(f"{path}: got an MCAP file of profile {profile!r}, expected ros2")


def _blocks(stream: BinaryIO) -> Iterator[tuple[int, list[McapRecord]]]:
    """Yield where each record of a file lies and what is in it, from here up to where the file breaks off.

    A damaged chunk holds nothing.
    """
    offset = stream.tell()
    try:
        reader = StreamReader(stream, skip_magic=offset > 0, emit_chunks=True, record_size_limit=_RECORD_LIMIT)
        for record in reader.records:
            if isinstance(record, DataEnd):  # what follows is the index, which says nothing new
                return
            yield offset, _contents(record) if isinstance(record, Chunk) else [record]
            offset = stream.tell()
    except _BROKEN:
        return


def _contents(chunk: Chunk) -> list[McapRecord]:
    try:
        return breakup_chunk(chunk, validate_crc=True)
    except _BROKEN:
        return []
