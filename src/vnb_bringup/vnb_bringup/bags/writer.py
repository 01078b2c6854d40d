"""Writes a bag: a folder with ``metadata.yaml`` and storage files, split by size."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from vnb_bringup.bags import metadata
from vnb_bringup.bags.definitions import Definition
from vnb_bringup.bags.lock import FolderLock
from vnb_bringup.bags.metadata import BagFile, BagInfo, Topic
from vnb_bringup.bags.storage import STORAGES, Output
from vnb_grasp.errors import BagError


class BagWriter:
    """A new bag. What was flushed survives the death of this process, metadata aside, which :func:`recover` restores.
    While it is open it holds the folder's lock.

    Args:
        folder: Of the bag; must not be there.
        storage: ``mcap`` or ``sqlite3``.
        split_bytes: A file that is as large is closed and the next one begun; 0 = never.
        custom: Free texts that belong to the bag.
        compress: Whether MCAP chunks are compressed; it takes most of the time of writing.

    Raises:
        BagError: If the folder is there already or cannot be made.
        UnknownNameError: If there is no such storage.
    """

    def __init__(
        self,
        folder: Path,
        storage: str = "mcap",
        split_bytes: int = 0,
        custom: Mapping[str, str] | None = None,
        *,
        compress: bool = True,
    ) -> None:
        self._storage = STORAGES[storage]
        self._name = storage
        self._folder = folder
        self._split_bytes = split_bytes
        self._compress = compress
        self._custom = dict(custom or {})
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise BagError(f"bag {folder}: is there already; name another folder or remove it") from None
        except OSError as error:
            raise BagError(f"bag {folder}: cannot be made ({error.strerror}); name another folder") from error
        self._lock = FolderLock(folder)
        self._topics: dict[str, tuple[Topic, Definition]] = {}
        self._counts: dict[str, int] = {}
        self._files: list[BagFile] = []
        self._current = self._begin()

    def _begin(self) -> Output:
        path = f"{self._folder.name}_{len(self._files)}{self._storage.suffix}"
        output = self._storage.create(self._folder / path, self._custom, self._compress)
        for topic, definition in self._topics.values():
            output.add_topic(topic, definition)
        self._files.append(BagFile(path))
        return output

    def add_topic(self, topic: Topic, definition: Definition) -> None:
        """Announce a topic before its first message; again only tells other offers, which ``metadata.yaml`` then has.

        Raises:
            BagError: If a topic of that name has another type.
        """
        known = self._topics.get(topic.name)
        if known is not None:
            if known[0].type != topic.type:
                raise BagError(f"topic {topic.name}: got type {topic.type}, but it was recorded with {known[0].type}")
            self._topics[topic.name] = (replace(known[0], qos=topic.qos), known[1])
            return
        self._topics[topic.name] = (topic, definition)
        self._counts[topic.name] = 0
        self._current.add_topic(topic, definition)

    def note(self, custom: Mapping[str, str]) -> None:
        """Add free texts to those that belong to the bag."""
        self._custom.update(custom)
        self._current.note(self._custom)

    def write(self, topic: str, time: int, data: bytes, published: int = 0) -> None:
        """Write a serialized message.

        Args:
            topic: Name of an announced topic.
            time: Reception [ns].
            data: CDR bytes.
            published: Publication [ns]; 0 takes the reception.

        Raises:
            BagError: If the topic was not announced.
        """
        if topic not in self._counts:
            raise BagError(f"topic {topic}: got a message before the topic was announced; call add_topic first")
        if self._split_bytes and self._files[-1].count and self._current.size() >= self._split_bytes:
            self._current.close(self._metadata())
            self._current = self._begin()
        self._current.write(topic, time, published or time, data)
        self._counts[topic] += 1
        last = self._files[-1]
        start, end = (min(last.start, time), max(last.end, time)) if last.count else (time, time)
        self._files[-1] = BagFile(last.path, start, end, last.count + 1)

    def flush(self) -> None:
        """Hand everything so far to the operating system."""
        self._current.flush()

    def close(self) -> BagInfo:
        """Finish the bag and return what it holds."""
        try:
            self._current.close(self._metadata())
            info = self._info()
            write_metadata(self._folder, info)
        finally:
            self._lock.close()
        return info

    def _info(self) -> BagInfo:
        topics = tuple(topic for topic, _ in self._topics.values())
        return BagInfo(self._name, tuple(self._files), topics, dict(self._counts), dict(self._custom))

    def _metadata(self) -> str:
        return yaml.safe_dump(metadata.dump(self._info()), sort_keys=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_metadata(folder: Path, info: BagInfo) -> None:
    """Write ``metadata.yaml``, all of it or nothing."""
    part = folder / (metadata.NAME + ".part")
    part.write_text(metadata.dump_text(info), encoding="utf-8")
    os.replace(part, folder / metadata.NAME)
