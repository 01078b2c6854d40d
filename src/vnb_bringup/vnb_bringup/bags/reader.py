"""Reads bags of any making: rosbag2's, ours, and those whose recorder was killed."""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from vnb_bringup.bags import metadata
from vnb_bringup.bags.definitions import Definition, Mismatch, compare
from vnb_bringup.bags.metadata import BagFile, BagInfo, Topic
from vnb_bringup.bags.storage import STORAGES, Input
from vnb_grasp.errors import BagError, UnknownNameError


@dataclass(frozen=True)
class BagMessage:
    """A recorded message.

    Attributes:
        topic: Name of its topic.
        time: When it was received [ns].
        published: When it was published [ns].
        data: CDR bytes.
    """

    topic: str
    time: int
    published: int
    data: bytes


class BagReader:
    """An open bag.

    Args:
        path: Folder of the bag, or one of its storage files.
        survey: Count what the files of the folder hold, whatever its ``metadata.yaml`` tells.

    Attributes:
        info: What it holds.
        complete: False if its recorder never closed it. It can be read all the same; other tools need
            :func:`vnb_bringup.bags.recover.recover` first.
        topics: By name.
        definitions: By type, as recorded.

    Raises:
        BagError: If it is no bag, is of another version, or its files are not there.
    """

    def __init__(self, path: Path, *, survey: bool = False) -> None:
        self.path = path
        told, files = (None, storage_files(path)) if survey else _find(path)
        self.complete = told is not None or path.is_file()
        self.topics: dict[str, Topic] = {}
        self.definitions: dict[str, Definition] = {}
        custom: dict[str, str] = {}
        self._files: list[tuple[Path, Input]] = []
        try:
            for file in files:
                self._add(file, custom)
            self._take_told(told)
            # What is told of a file that broke off later is no longer true.
            self.info = told if told and self.complete else self._survey({**(told.custom if told else {}), **custom})
        except BaseException:
            self.close()
            raise

    def _add(self, path: Path, custom: dict[str, str]) -> None:
        file = STORAGES[_storage_of(path)].open(path)
        self._files.append((path, file))
        self.complete = self.complete and file.complete
        custom.update(file.custom)
        for name, topic in file.topics.items():
            self.topics.setdefault(name, topic)
        for name, definition in file.definitions.items():
            self.definitions.setdefault(name, definition)

    def _take_told(self, told: BagInfo | None) -> None:
        """Take over what only ``metadata.yaml`` has: offers of publishers that came later, and some type hashes."""
        for topic in told.topics if told else ():
            if topic.qos and topic.name in self.topics:
                self.topics[topic.name] = replace(self.topics[topic.name], qos=topic.qos)
            known = self.definitions.get(topic.type)
            if known is not None and not known.type_hash and topic.type_hash:
                self.definitions[topic.type] = replace(known, type_hash=topic.type_hash)

    def _survey(self, custom: dict[str, str]) -> BagInfo:
        """Count what the files hold, where nothing tells."""
        counts = dict.fromkeys(self.topics, 0)
        files = []
        for path, file in self._files:
            count, start, end = 0, 0, 0
            for name, time in file.times():
                start, end = (min(start, time), max(end, time)) if count else (time, time)
                count += 1
                counts[name] += 1
            files.append(BagFile(path.name, start, end, count))
        storage = _storage_of(self._files[0][0])
        return BagInfo(storage, tuple(files), tuple(self.topics.values()), counts, custom)

    def messages(
        self, topics: Collection[str] | None = None, start: int | None = None, end: int | None = None
    ) -> Iterator[BagMessage]:
        """Yield the messages in the order of their reception.

        Args:
            topics: Names of topics; None takes all.
            start: First time [ns].
            end: Time before which it ends [ns].

        Raises:
            BagError: If a file is damaged.
            UnknownNameError: If the bag has no such topic.
        """
        self.require_topics(topics or ())
        found = [file.messages(topics, start, end) for _, file in self._files]
        for message in heapq.merge(*found, key=lambda message: message[1]):  # files of a split bag may overlap
            yield BagMessage(*message)

    def require_topics(self, topics: Collection[str]) -> None:
        """Raise :class:`UnknownNameError` for the first name that is no topic of the bag."""
        for name in topics:
            if name not in self.topics:
                raise UnknownNameError(f"topic of {self.path}", name, self.topics)

    def mismatches(self, shares: tuple[Path, ...], topics: Collection[str] | None = None) -> list[Mismatch]:
        """Return the types of ``topics`` (None: all) that are defined otherwise here than where it was recorded."""
        types = {topic.type for name, topic in self.topics.items() if topics is None or name in topics}
        found = (compare(self.definitions[name], shares) for name in sorted(types))
        return [mismatch for mismatch in found if mismatch is not None]

    def close(self) -> None:
        """Close the files."""
        for _, file in self._files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def storage_files(folder: Path) -> list[Path]:
    """Return the storage files in a folder in the order of their numbers.

    Empty ones are left out: their recorder was killed before the first byte.
    """
    suffixes = {STORAGES[name].suffix for name in STORAGES}
    found = [path for path in folder.iterdir() if path.suffix in suffixes and path.stat().st_size]
    return sorted(found, key=lambda path: [int(digits) for digits in re.findall(r"_(\d+)$", path.stem)] or [0])


def _find(path: Path) -> tuple[BagInfo | None, list[Path]]:
    """Return what ``metadata.yaml`` tells, if there is one, and the storage files."""
    if path.is_file():
        _storage_of(path)
        return None, [path]
    if not path.is_dir():
        raise BagError(f"bag {path}: no such folder or file")
    if not (path / metadata.NAME).is_file():
        files = storage_files(path)
        if not files:
            raise BagError(f"bag {path}: got a folder without {metadata.NAME} or storage files, expected a rosbag2 bag")
        return None, files
    info = metadata.load(path / metadata.NAME)
    files = [path / file.path for file in info.files]
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise BagError(f"bag {path}: {metadata.NAME} names {', '.join(missing) or 'no files'}, which is not there")
    return info, files


def _storage_of(path: Path) -> str:
    for name in STORAGES:
        if STORAGES[name].suffix == path.suffix:
            return name
    kinds = ", ".join(STORAGES[name].suffix for name in STORAGES)
    raise BagError(f"{path}: got a file of kind {path.suffix!r}, expected one of {kinds} or a bag's folder")
