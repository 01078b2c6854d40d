"""A benchmark run: outcomes into the store as they come."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.running.store import Store


def keep(store: Store, outcomes: Generator[Outcome] | Iterator[Outcome], note: Callable[[Outcome], None]) -> int:
    """Store outcomes as they come and return how many.

    Args:
        store: Where they are kept, each in a transaction of its own.
        outcomes: As :func:`vnb_benchmark.running.pool.run_pool` yields them; closed in any case, and with it every
            process that makes them.
        note: Called after each is stored.

    Raises:
        VnbError: If one cannot be stored.
    """
    count = 0
    with closing(outcomes):  # type: ignore[type-var]
        for outcome in outcomes:
            store.add(outcome)
            count += 1
            note(outcome)
    return count


def hardware() -> str:
    """Return this machine in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
