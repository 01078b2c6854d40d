"""The store of a benchmark run: one SQLite file that any kill leaves consistent, and that a later run goes on with.

Write-ahead log and one transaction per episode: an episode is there whole or not at all. ``synchronous=FULL``: an
episode takes seconds and a flush milliseconds, so there is no reason to lose one to a power cut.

Table ``outcomes`` has one column per field of :class:`Outcome`, key (case, method, beta). SQL's NULL equals nothing, so
``beta`` is text, empty for methods that use none; other NaNs are NULL, series JSON arrays. Table ``meta`` holds
the schema's name and version, the scenario set as JSON, and where the numbers come from.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, get_type_hints

from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.running.tasks import Key, beta_text, beta_value
from vnb_benchmark.scenarios.case import CaseSet
from vnb_benchmark.scenarios.files import cases_from_json, cases_to_json
from vnb_grasp.errors import ConfigError, VnbError

SCHEMA = "vnb-benchmark"
SCHEMA_VERSION = 3
STORE_NAME = "results.sqlite"
METHOD = "method "
"""Begins the names of versions of entered methods."""

_TYPES = get_type_hints(Outcome)
_COLUMNS = tuple(field.name for field in fields(Outcome))
_KEY = ("case", "method", "beta")
_SQL_TYPES = {int: "INTEGER", bool: "INTEGER", float: "REAL", str: "TEXT", tuple[float, ...]: "TEXT"}


@dataclass(frozen=True)
class Provenance:
    """Where the numbers of a store come from.

    Attributes:
        command: Command line that started the run.
        versions: Of the code and the libraries that decide numbers; a store holds results of one set of them.
        checkpoint: SHA-256 of the belief's checkpoint; decides numbers too.
        hardware: The machine in words.
        started: When, as ISO 8601 text.
        commit: Of the checkout, in words; ``versions`` says whether code differs in what decides numbers.
        pose_source: What estimated the object's pose.
    """

    command: str
    versions: Mapping[str, str]
    checkpoint: str
    hardware: str
    started: str
    commit: str = ""
    pose_source: str = "sensor"

    def run(self) -> dict[str, str]:
        """Return what tells this run from others into the same store."""
        return {
            "command": self.command,
            "hardware": self.hardware,
            "started": self.started,
            "commit": self.commit,
        }


def store_file(path: Path) -> Path:
    """Return the file of a store that is named by itself or by its folder."""
    return path / STORE_NAME if path.is_dir() else path


class Store:
    """An open store; use it as a context manager. Made by :meth:`start` and :meth:`open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    @classmethod
    def start(cls, path: Path, cases: CaseSet, provenance: Provenance, *, resume: bool = False) -> Store:
        """Make a store, or go on with the one that is there.

        Args:
            path: File; its folder is made.
            cases: What is run.
            provenance: Of this run; it is added to those of earlier ones.
            resume: Whether there may be a store already.

        Raises:
            ConfigError: If the folder is not writable, a store is there without ``resume``, or it holds results of
                another scenario set, of other versions, or in another schema.
        """
        if path.exists() and not resume:
            raise ConfigError(
                f"{path} holds results already; go on with it by --resume, or give another folder with --out"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"folder {path.parent}: {error.strerror}; give another one with --out") from error
        store = cls(path, _connect(path))
        try:
            if store._tables():
                store._require_schema()
                store._require(cases, provenance)
                store._add_run(provenance)
            else:  # new, or killed before its first transaction ended
                store._create(cases, provenance)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open a finished or interrupted run's store by its file or folder.

        Raises:
            ConfigError: If there is none, or it has another schema.
        """
        path = store_file(path)
        if not path.is_file():
            raise ConfigError(f"{path}: no such store; give the file or the --out folder of a ./vnb bench run")
        store = cls(path, _connect(path))
        try:
            store._require_schema()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self.connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    # --- writing --------------------------------------------------------------------------------------------------

    def add(self, outcome: Outcome) -> None:
        """Store an outcome in a transaction of its own; one that is there already stays as it is.

        Raises:
            VnbError: If it cannot be written, for want of space say; what was stored before stays.
        """
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        marks = ", ".join("?" * len(_COLUMNS))
        with self._transaction():
            self.connection.execute(
                f"INSERT INTO outcomes ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", row_of(outcome)
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _explained(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # a full disk has rolled it back already
                    self.connection.execute("ROLLBACK")
                raise

    def _create(self, cases: CaseSet, provenance: Provenance) -> None:
        columns = ", ".join(f'"{name}" {_sql_type(name)} {_constraint(name)}' for name in _COLUMNS)
        key = ", ".join(f'"{name}"' for name in _KEY)
        meta = {
            "schema": SCHEMA,
            "schema_version": str(SCHEMA_VERSION),
            "cases": cases_to_json(cases),
            "versions": json.dumps(dict(provenance.versions), sort_keys=True),
            "checkpoint": provenance.checkpoint,
            "pose_source": provenance.pose_source,
            "runs": json.dumps([provenance.run()]),
        }
        with self._transaction():
            self.connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self.connection.execute(f"CREATE TABLE outcomes ({columns}, PRIMARY KEY ({key}))")
            self.connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())

    def _add_run(self, provenance: Provenance) -> None:
        meta = {
            "runs": json.dumps([*self.runs(), provenance.run()]),
            "versions": json.dumps({**json.loads(self.meta["versions"]), **provenance.versions}, sort_keys=True),
        }
        with self._transaction():
            self.connection.executemany(
                "UPDATE meta SET value = ? WHERE key = ?", [(value, key) for key, value in meta.items()]
            )

    def end_run(self, episodes: int, seconds: float) -> None:
        """Note what the last run came to: episodes stored and wall-clock time [s]; a killed one never says so."""
        runs = self.runs()
        runs[-1] |= {"episodes": str(episodes), "seconds": f"{seconds:.0f}"}
        with self._transaction():
            self.connection.execute("UPDATE meta SET value = ? WHERE key = 'runs'", (json.dumps(runs),))

    def forget_broken(self) -> int:
        """Remove the episodes that failed, crashed or hung, so that they are run again; return how many there were."""
        with self._transaction():
            return self.connection.execute("DELETE FROM outcomes WHERE status != ?", (OK,)).rowcount

    # --- reading --------------------------------------------------------------------------------------------------

    @property
    def meta(self) -> dict[str, str]:
        """What the store says of itself."""
        return dict(self._read("SELECT key, value FROM meta ORDER BY key"))

    def runs(self) -> list[dict[str, str]]:
        """Return what :meth:`Provenance.run` said of each run into this store, the first one first."""
        return list(json.loads(self.meta["runs"]))

    def cases(self) -> CaseSet:
        """Return the scenario set."""
        return cases_from_json(self.meta["cases"], str(self.path))

    def keys(self) -> set[Key]:
        """Return the keys of what is stored."""
        return {(int(case), str(method), str(beta)) for case, method, beta in self._read(_select(_KEY))}

    def outcomes(self) -> list[Outcome]:
        """Return everything that is stored, in order of case, method and beta."""
        return [outcome_of(row) for row in self._read(_select(_COLUMNS))]

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        with _explained(self.path):
            return self.connection.execute(query).fetchall()

    def _tables(self) -> set[str]:
        return {str(name) for (name,) in self._read("SELECT name FROM sqlite_master WHERE type = 'table'")}

    # --- what must agree ------------------------------------------------------------------------------------------

    def _require_schema(self) -> None:
        meta = self.meta if "meta" in self._tables() else {}
        got = meta.get("schema", "none"), meta.get("schema_version", "none")
        if got != (SCHEMA, str(SCHEMA_VERSION)):
            raise ConfigError(
                f"{self.path}: got schema {got[0]} version {got[1]}, expected {SCHEMA} version {SCHEMA_VERSION}; "
                "read it with the version of this code that wrote it, or run again with another --out"
            )

    def _require(self, cases: CaseSet, provenance: Provenance) -> None:
        meta = self.meta
        if meta["cases"] != cases_to_json(cases):
            stored = self.cases()
            raise ConfigError(
                f"{self.path}: got scenario set {_named(cases)}, expected the stored {_named(stored)}, to the last "
                "value; give the same scenarios and betas as at first, or another --out"
            )
        sources = {"checkpoint": meta["checkpoint"], "pose_source": meta["pose_source"]}
        expected = {**json.loads(meta["versions"]), **sources}
        got = {**provenance.versions, "checkpoint": provenance.checkpoint, "pose_source": provenance.pose_source}
        # A method that one of the runs has nothing of has no other version.
        ours = {name for name in expected.keys() ^ got.keys() if name.startswith(METHOD)}
        other = sorted(name for name in (expected.keys() | got.keys()) - ours if expected.get(name) != got.get(name))
        if other:
            differences = ", ".join(f"{name} got {got.get(name)!r} expected {expected.get(name)!r}" for name in other)
            raise ConfigError(
                f"{self.path} holds results of other versions ({differences}), which would not be comparable; "
                "go back to those, or give another --out"
            )


def contents_equal(first: Store, second: Store) -> bool:
    """Return whether two stores hold the same scenario set and outcomes, times aside."""
    if first.meta["cases"] != second.meta["cases"]:
        return False
    return [comparable(o) for o in first.outcomes()] == [comparable(o) for o in second.outcomes()]


def comparable(outcome: Outcome) -> str:
    """Return all of an outcome but its times, as text in which NaN equals NaN and every bit counts."""
    return repr(replace(outcome, planning_series=(), wall_time=0.0))


def row_of(outcome: Outcome) -> tuple[Any, ...]:
    """Return an outcome as a row of the table."""
    return tuple(_to_sql(name, getattr(outcome, name)) for name in _COLUMNS)


def outcome_of(row: tuple[Any, ...]) -> Outcome:
    """Return the outcome of a row of the table."""
    return Outcome(**{name: _from_sql(name, value) for name, value in zip(_COLUMNS, row, strict=True)})


def _to_sql(name: str, value: Any) -> Any:
    kind = _TYPES[name]
    if name == "beta":
        return beta_text(value)
    if kind is float:
        return None if math.isnan(value) else float(value)
    if kind is str:
        return str(value)
    if kind in (int, bool):
        return int(value)
    return json.dumps([None if math.isnan(item) else float(item) for item in value])


def _from_sql(name: str, value: Any) -> Any:
    kind = _TYPES[name]
    if name == "beta":
        return beta_value(value)
    if kind is float:
        return math.nan if value is None else float(value)
    if kind in (int, bool, str):
        return kind(value)
    return tuple(math.nan if item is None else float(item) for item in json.loads(value))


def _sql_type(name: str) -> str:
    return "TEXT" if name == "beta" else _SQL_TYPES[_TYPES[name]]


def _constraint(name: str) -> str:
    return "" if _sql_type(name) == "REAL" else "NOT NULL"


def _select(columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f'SELECT {names} FROM outcomes ORDER BY "case", "method", "beta"'


def _named(cases: CaseSet) -> str:
    betas = ", ".join(f"{beta:g}" for beta in cases.betas)
    return f"{cases.name!r} ({len(cases.cases)} cases, seed {cases.seed}, beta {betas})"


def _connect(path: Path) -> sqlite3.Connection:
    with _explained(path):
        connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says into what the user can do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "full" in str(error):
            raise VnbError(
                f"{path}: no room for another result ({error}); what was stored stays. Make room and run the same "
                "command with --resume"
            ) from error
        raise ConfigError(
            f"{path}: {error}; expected a store that can be read and written; see to its permissions, or give "
            "another --out"
        ) from error
