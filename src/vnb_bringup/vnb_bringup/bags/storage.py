"""The storages of a bag behind one interface, by name. A new storage is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vnb_bringup.bags.definitions import Definition
from vnb_bringup.bags.metadata import Topic
from vnb_bringup.bags.storage_mcap import McapFile, McapOutput
from vnb_bringup.bags.storage_sqlite3 import Sqlite3File, Sqlite3Output
from vnb_grasp.registry import Registry


class Output(Protocol):
    """A storage file that is being written."""

    def add_topic(self, topic: Topic, definition: Definition) -> None:
        """Announce a topic before its first message."""
        ...

    def note(self, custom: Mapping[str, str]) -> None:
        """Keep the bag's free texts, all of them."""
        ...

    def write(self, topic: str, time: int, published: int, data: bytes) -> None:
        """Take a message: reception and publication [ns], serialized."""
        ...

    def flush(self) -> None:
        """Hand everything to the operating system: it then outlives this process."""
        ...

    def size(self) -> int:
        """Return the number of bytes so far, about."""
        ...

    def close(self, metadata: str) -> None:
        """Finish the file; ``metadata`` is the bag's so far, as YAML."""
        ...


class Input(Protocol):
    """A storage file that is read."""

    @property
    def complete(self) -> bool:
        """False if the file was never closed: it ends after the last message that was written out whole."""
        ...

    @property
    def topics(self) -> Mapping[str, Topic]:
        """By name."""
        ...

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """By type."""
        ...

    @property
    def custom(self) -> Mapping[str, str]:
        """Free texts that were known when it was begun."""
        ...

    def messages(
        self, topics: Iterable[str] | None = None, start: int | None = None, end: int | None = None
    ) -> Iterator[tuple[str, int, int, bytes]]:
        """Yield (topic, reception, publication, data) in the order of reception, from ``start`` to before ``end``."""
        ...

    def times(self) -> Iterator[tuple[str, int]]:
        """Yield topic and reception [ns] of every message, in any order; holds none of them in memory."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@dataclass(frozen=True)
class Storage:
    """A kind of storage file.

    Attributes:
        suffix: Of its name.
        create: Begins one, with the bag's free texts, compressed or not where it knows how; raises :class:`BagError` if
            it cannot be.
        open: Opens one; raises :class:`BagError` if it is none.
        mend: Completes one that was never closed, in place; raises :class:`BagError` if it cannot be.
    """

    suffix: str
    create: Callable[[Path, Mapping[str, str], bool], Output]
    open: Callable[[Path], Input]
    mend: Callable[[Path], None]


STORAGES: Registry[Storage] = Registry("storage of bags")
"""Storages by rosbag2's name for them."""

STORAGES.add("mcap", Storage(".mcap", McapOutput, McapFile, McapFile.mend))
STORAGES.add("sqlite3", Storage(".db3", Sqlite3Output, Sqlite3File, Sqlite3File.mend))
