"""Run a child process with its output in the log, and say in plain words why it failed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import DiskFullError, OfflineError, SetupError, is_disk_full

_OFFLINE = (
    "name resolution",
    "Name or service not known",
    "NewConnectionError",
    "Network is unreachable",
    "Connection refused",
    "Max retries exceeded",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
)
_DISK_FULL = ("No space left on device", "Errno 28", "Disk quota exceeded")
_TAIL = 15
_WIDTH = 400


class Progress:
    """A line per stage on standard error: what runs, and how long it took."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._number = 0
        self._live = sys.stderr.isatty()
        self._label = ""
        self._start = 0.0

    def start(self, title: str) -> None:
        """Announce the next stage."""
        self._number += 1
        self._label = f"[{self._number}/{self._total}] {title}"
        self._start = time.monotonic()
        print(f"{self._label} ...", end="" if self._live else "\n", file=sys.stderr, flush=True)

    def update(self, line: str) -> None:
        """Show the latest line of a child's output, on a terminal only."""
        if self._live:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            text = f"{self._label} {time.monotonic() - self._start:.0f} s  {line.strip()}"
            print(f"\r\033[K{text[: max(width - 1, 20)]}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Say how long the stage took."""
        lead = "\r\033[K" if self._live else ""
        print(f"{lead}{self._label}: {time.monotonic() - self._start:.0f} s", file=sys.stderr, flush=True)

    def broken(self) -> None:
        """Leave the live line, so that a message begins on its own."""
        if self._live and self._label:
            print(file=sys.stderr, flush=True)


class ChildError(SetupError):
    """A child process failed."""


def explain(command: Sequence[str], status: int, output: str, log: Path) -> SetupError:
    """Return the error that tells a user why ``command`` failed."""
    lines = output.splitlines()
    for sign in _DISK_FULL:
        if sign in output:
            reason = next(line for line in lines if sign in line)
            message = (
                f"the disk is full: {reason.strip()[:_WIDTH]}\nMake room and run the same command again; it resumes."
            )
            return DiskFullError(message, output)
    for sign in _OFFLINE if "pip" in command else ():
        if sign in output:
            reason = next(line for line in lines if sign in line)
            message = (
                "pip cannot reach its package index. Is this machine offline, or behind a proxy?\n"
                f"  | {reason.strip()[:_WIDTH]}\n"
                "Connect it, or tell pip about the proxy or a local index, and run the same command again; it resumes."
            )
            return OfflineError(message, output)
    tail = "\n".join(f"  | {line}" for line in lines[-_TAIL:])
    name = " ".join(command[:4])
    return ChildError(f"`{name} ...` failed with status {status}; its last lines (all of it: {log}):\n{tail}", output)


def run_child(
    command: Sequence[str], *, log: Path, progress: Progress, lock: int, env: Mapping[str, str] | None = None
) -> str:
    """Run ``command`` to its end and return what it wrote; on any exception no child is left behind.

    Args:
        command: Program and arguments.
        log: File that the output is appended to.
        progress: Shows the last line of output.
        lock: Descriptor that the child inherits (see :func:`.state.exclusive`).
        env: Environment; this process's own if None.

    Raises:
        SetupError: If the command cannot be started or fails.
    """
    lines: list[str] = []
    with log.open("a", encoding="utf-8") as sink:
        print("$", *command, file=sink, flush=True)
        child = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=(lock,),
            start_new_session=True,  # so that stop() reaches compilers and other grandchildren too
        )
        try:
            assert child.stdout is not None  # for the type checker: stdout is a pipe
            for line in child.stdout:
                lines.append(line)
                sink.write(line)
                sink.flush()
                progress.update(line)
            status = child.wait()
        except BaseException as error:
            stop(child)
            if is_disk_full(error):
                raise DiskFullError(f"the disk of {log} is full. Make room and run the same command again.") from error
            raise
    if status != 0:
        raise explain(command, status, "".join(lines), log)
    return "".join(lines)


def stop(child: subprocess.Popen[str], patience: float = 5.0) -> None:
    """End ``child`` and all that it started: ask, wait ``patience`` seconds, then kill."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
