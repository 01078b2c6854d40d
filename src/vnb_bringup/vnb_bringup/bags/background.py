"""Writes a bag in a thread of its own, so that receiving never waits for the disk; memory is bounded."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from vnb_bringup.bags.definitions import Definition
from vnb_bringup.bags.metadata import BagInfo, Topic
from vnb_bringup.bags.writer import BagWriter
from vnb_grasp.errors import BagError

FLUSH_PERIOD = 0.25
"""Time after which what was received is handed to the operating system [s]; a killed process loses no more."""

MEMORY = 64 << 20
"""Bytes that may wait for the disk."""

_ROOM = 1 << 20
"""Written bytes after which others may wait in their place."""

Message = tuple[str, int, int, bytes]
Item = Message | tuple[Topic, Definition] | Mapping[str, str]


class BackgroundWriter:
    """Hands messages to a writer.

    Args:
        writer: It writes; nobody else may use it meanwhile.
        memory: Bytes that may wait; messages beyond are dropped and counted.
        period: Time between flushes [s].

    Attributes:
        dropped: Messages that were dropped because the disk was too slow, by topic.
        error: What ended the writing; None while all is well.
    """

    def __init__(self, writer: BagWriter, memory: int = MEMORY, period: float = FLUSH_PERIOD) -> None:
        self._writer = writer
        self._memory = memory
        self._period = period
        self._changed = threading.Condition()
        self._items: list[Item] = []
        self._bytes = 0
        self._closing = False
        self.dropped: Counter[str] = Counter()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="bag writer", daemon=True)
        self._thread.start()

    def add_topic(self, topic: Topic, definition: Definition) -> None:
        """Announce a topic."""
        with self._changed:
            self._items.append((topic, definition))

    def note(self, custom: Mapping[str, str]) -> None:
        """Add free texts to those that belong to the bag."""
        with self._changed:
            self._items.append(dict(custom))

    def put(self, topic: str, received: int, published: int, data: bytes) -> None:
        """Take a message; it never waits."""
        with self._changed:
            if self._bytes + len(data) > self._memory or self.error is not None:
                self.dropped[topic] += 1
                return
            self._items.append((topic, received, published, data))
            self._bytes += len(data)

    def close(self) -> BagInfo:
        """Write what is left, finish the bag and return what it holds.

        Raises:
            BagError: If writing had failed.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self.error is not None:
            raise BagError(f"the bag could not be written to its end: {self.error}") from self.error
        try:
            return self._writer.close()
        except Exception as error:
            raise BagError(f"the bag could not be written to its end: {error}") from error

    def _run(self) -> None:
        """Write in batches: one wake-up and one chunk per period."""
        try:
            ended = False
            while not ended:
                with self._changed:
                    if not self._closing:
                        self._changed.wait(self._period)
                    ended = self._closing
                    items, self._items = self._items, []
                self._write(items)
                self._writer.flush()
        except Exception as error:  # noqa: BLE001 - a full disk, say: it is told, and recording stops
            self.error = error

    def _write(self, items: list[Item]) -> None:
        """Write, and make room for others on the way: on a busy machine a batch can take seconds."""
        items.reverse()
        written = 0
        while items:
            item = items.pop()
            if isinstance(item, Mapping):
                self._writer.note(item)
            elif len(item) == 2:
                self._writer.add_topic(*item)
            else:
                topic, received, published, data = item
                self._writer.write(topic, received, data, published)
                written += len(data)
            if written >= _ROOM or not items:
                with self._changed:
                    self._bytes -= written
                written = 0
