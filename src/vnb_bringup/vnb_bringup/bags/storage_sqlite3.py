"""Bags in SQLite files, with the tables of rosbag2's own storage plugin (schema 4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from vnb_bringup.bags.definitions import Definition
from vnb_bringup.bags.metadata import MALFORMED, ROOT, VERSION, BagFile, BagInfo, Topic, dump, parse_qos, qos_text
from vnb_grasp.errors import BagError

_TABLES = """
BEGIN;
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, serialization_format TEXT NOT NULL,
  offered_qos_profiles TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
  encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
  data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
INSERT INTO schema(schema_version, ros_distro) VALUES (4, 'jazzy');
COMMIT;
"""
_OLDEST, _NEWEST = 3, 4


class Sqlite3Output:
    """An SQLite file that is being written. A flush commits; what was committed survives this process. Nothing is
    compressed. Until it is closed a write-ahead log lies beside it, so that readers do not lock the writer out.
    """

    def __init__(self, path: Path, custom: Mapping[str, str], compress: bool = True) -> None:
        if path.exists():
            raise BagError(f"{path}: is there already; give another folder")
        try:
            self._db = sqlite3.connect(path, check_same_thread=False)
            self._db.executescript(_TABLES)
            self._db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise BagError(f"{path}: cannot be written ({error}); give another folder") from error
        self._path = path
        self._ids: dict[str, int] = {}
        self._types: set[str] = set()
        self._size = path.stat().st_size
        self.note(custom)
        self._db.commit()

    def add_topic(self, topic: Topic, definition: Definition) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        if definition.name not in self._types:
            self._types.add(definition.name)
            row = (definition.name, "ros2msg" if definition.text else "unknown", definition.text, definition.type_hash)
            self._db.execute(
                "INSERT INTO message_definitions(topic_type, encoding, encoded_message_definition,"
                " type_description_hash) VALUES (?, ?, ?, ?)",
                row,
            )
        found = self._db.execute(
            "INSERT INTO topics(name, type, serialization_format, offered_qos_profiles, type_description_hash)"
            " VALUES (?, ?, ?, ?, ?)",
            (topic.name, topic.type, topic.serialization_format, qos_text(topic.qos), topic.type_hash),
        )
        self._ids[topic.name] = int(found.lastrowid or 0)

    def note(self, custom: Mapping[str, str]) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        info = BagInfo("sqlite3", (BagFile(self._path.name),), (), {}, dict(custom))  # whole: rosbag2 wants every key
        self._store_metadata(yaml.safe_dump(dump(info), sort_keys=False))

    def write(self, topic: str, time: int, published: int, data: bytes) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`; this storage keeps only the time of reception."""
        self._db.execute(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)", (self._ids[topic], time, data)
        )
        self._size += len(data) + 40

    def flush(self) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        self._db.commit()

    def size(self) -> int:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        return self._size

    def close(self, metadata: str) -> None:
        """See :class:`vnb_bringup.bags.storage.Output`."""
        self._store_metadata(metadata)
        self._db.commit()
        _end_log(self._db)
        self._db.close()

    def _store_metadata(self, text: str) -> None:
        self._db.execute("DELETE FROM metadata")
        self._db.execute("INSERT INTO metadata(metadata_version, metadata) VALUES (?, ?)", (VERSION, text))


def _texts(row: tuple[object, ...]) -> list[str]:
    """Return the values of a row; raises :class:`TypeError` if one is no text."""
    texts = [value for value in row if isinstance(value, str)]
    if len(texts) < len(row):
        raise TypeError(f"got the row {row}, expected texts")
    return texts


def _end_log(db: sqlite3.Connection) -> None:
    """Make one file of the database and its log, unless somebody reads it: then the last reader to close it does."""
    db.execute("PRAGMA busy_timeout = 0")
    try:
        db.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise


class Sqlite3File:
    """An SQLite file that is read.

    Opening one that was being written rolls back what had not been committed, as SQLite does.

    Raises:
        BagError: If it is no bag.
    """

    def __init__(self, path: Path) -> None:
        self.complete = not path.with_name(path.name + "-wal").exists()
        self._path = path
        self.topics: dict[str, Topic] = {}
        self.definitions: dict[str, Definition] = {}
        self.custom: dict[str, str] = {}
        if not path.is_file():
            raise BagError(f"{path}: cannot be read (no such file)")
        self._db = sqlite3.connect(path, check_same_thread=False)
        try:
            self._read_tables()
        except (BagError, sqlite3.Error, *MALFORMED) as error:
            self._db.close()
            if isinstance(error, BagError):
                raise
            raise BagError(f"{path}: got no readable rosbag2 database ({error})") from error

    def _read_tables(self) -> None:
        version = self._schema_version()
        if not _OLDEST <= version <= _NEWEST:
            raise BagError(
                f"{self._path}: got a database of schema {version}, expected {_OLDEST} or {_NEWEST}; convert it with "
                "`ros2 bag convert`"
            )
        hashed = "type_description_hash" if version >= 4 else "''"
        if version >= 4:
            rows = "SELECT topic_type, encoding, encoded_message_definition, type_description_hash"
            for row in self._db.execute(f"{rows} FROM message_definitions"):
                name, encoding, text, type_hash = _texts(row)
                self.definitions[name] = Definition(name, text if encoding == "ros2msg" else "", type_hash)
        rows = f"SELECT name, type, serialization_format, offered_qos_profiles, {hashed} FROM topics ORDER BY id"
        for row in self._db.execute(rows):
            name, kind, serialization, qos, type_hash = _texts(row)
            self.topics.setdefault(name, Topic(name, kind, type_hash, parse_qos(qos), serialization))
            self.definitions.setdefault(kind, Definition(kind, "", type_hash))
        for (text,) in self._db.execute("SELECT metadata FROM metadata ORDER BY id"):
            told = yaml.safe_load(text) or {}
            custom = told.get(ROOT, told).get("custom_data") or {}
            self.custom.update({str(key): str(value) for key, value in custom.items()})

    def _schema_version(self) -> int:
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"messages", "topics"} <= tables:
            raise BagError(f"{self._path}: got an SQLite database without bag tables, expected a rosbag2 database")
        if "schema" not in tables:
            return 2
        row = self._db.execute("SELECT schema_version FROM schema").fetchone()
        return int(row[0]) if row else 0

    def messages(
        self, topics: Iterable[str] | None = None, start: int | None = None, end: int | None = None
    ) -> Iterator[tuple[str, int, int, bytes]]:
        """See :class:`vnb_bringup.bags.storage.Input`; the time of publication is not kept, so it is the other one."""
        wanted = None if topics is None else set(topics)
        query = (
            "SELECT topics.name, timestamp, data FROM messages JOIN topics ON topics.id = topic_id"
            " WHERE timestamp >= ? AND timestamp < ? ORDER BY timestamp, messages.id"
        )
        limits = (start or 0, 2**63 - 1 if end is None else end)
        try:
            for name, time, data in self._db.execute(query, limits):
                if not isinstance(time, int) or not isinstance(data, bytes):
                    raise TypeError(f"a message of {name} at {time!r} holds no bytes")
                if wanted is None or name in wanted:
                    yield name, time, time, data
        except (sqlite3.Error, TypeError) as error:
            raise BagError(f"{self._path}: damaged ({error}); `./vnb bag recover` keeps what can be read") from error

    def times(self) -> Iterator[tuple[str, int]]:
        """See :class:`vnb_bringup.bags.storage.Input`."""
        for name, time, _, _ in self.messages():
            yield name, time

    def close(self) -> None:
        """See :class:`vnb_bringup.bags.storage.Input`."""
        self._db.close()

    @staticmethod
    def mend(path: Path) -> None:
        """Roll back what was not committed, and make one file of the database and its log.

        Raises:
            BagError: If the database is damaged beyond that.
        """
        file = Sqlite3File(path)
        try:
            problem = file._db.execute("PRAGMA integrity_check").fetchone()[0]
            _end_log(file._db)
        except sqlite3.Error as error:
            problem = str(error)
        finally:
            file.close()
        if problem != "ok":
            raise BagError(f"{path}: damaged ({problem}); `sqlite3 {path.name} .recover` may save some of it")
