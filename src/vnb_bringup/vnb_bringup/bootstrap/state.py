"""What has been set up already: stamps that survive an interruption, and a lock between two runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def fingerprint(*parts: str, files: Iterable[Path] = ()) -> str:
    """Return a hash of ``parts`` and of the names and contents of ``files``."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@dataclass
class State:
    """Stamps of finished stages, kept in a JSON file.

    Attributes:
        path: The file.
        stamps: Fingerprint of each finished stage.
        running: Stage that began and did not end; ``None`` when there is none.
        settings: Choices to remember (build of torch, its index).
    """

    path: Path
    stamps: dict[str, str] = field(default_factory=dict)
    running: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """Read ``path``; a missing or damaged file counts as "nothing is set up"."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, dict(data["stamps"]), data["running"], dict(data["settings"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path)

    def save(self) -> None:
        """Write the file in one piece, so that a crash leaves either the old or the new one."""
        data = {"stamps": self.stamps, "running": self.running, "settings": self.settings}
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
        os.replace(temporary, self.path)

    def begin(self, stage: str) -> None:
        """Note that ``stage`` begins; its old stamp is void from now on."""
        self.stamps.pop(stage, None)
        self.running = stage
        self.save()

    def finish(self, stage: str, stamp: str) -> None:
        """Note that ``stage`` ended well."""
        self.stamps[stage] = stamp
        self.running = None
        self.save()

    def abandon(self) -> None:
        """Note that the running stage failed before it changed anything."""
        self.running = None
        self.save()


@contextlib.contextmanager
def exclusive(path: Path, on_wait: Any) -> Iterator[int]:
    """Hold a lock file; call ``on_wait()`` once if another run holds it.

    Yields:
        The file descriptor. A child that inherits it keeps the lock, so that a child that outlives its killed parent
        keeps the next run waiting.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
