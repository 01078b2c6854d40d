"""Figures over time, as the page's plots show them; memory is bounded."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vnb_bringup.view.snapshot import Snapshot

Array = NDArray[np.float64]

LIMIT = 4000
"""Most rows kept; of more, every second one is forgotten."""

COLUMNS = ("time", "epsilon_hat", "epsilon_true", "cvar", "p_fail", "entropy", *(f"force_{i}" for i in range(5)))


class History:
    """Rows of figures with rising time."""

    def __init__(self, snapshots: Iterable[Snapshot] = ()) -> None:
        self._rows: list[tuple[float, ...]] = []
        for snapshot in snapshots:
            self.add(snapshot)

    def __len__(self) -> int:
        return len(self._rows)

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()

    def add(self, snapshot: Snapshot) -> None:
        """Add a row, or replace the last one if time has not moved on; where time begins again, so does the history."""
        row = (
            snapshot.time,
            snapshot.epsilon_hat,
            snapshot.epsilon_true,
            snapshot.cvar,
            snapshot.p_fail,
            snapshot.entropy,
            *(float(force) for force in snapshot.force),
        )
        if self._rows and row[0] < self._rows[-1][0]:
            self._rows.clear()
        if self._rows and row[0] == self._rows[-1][0]:
            self._rows.pop()
        self._rows.append(row)
        if len(self._rows) > LIMIT:
            del self._rows[1:-1:2]

    def until(self, time: float) -> History:
        """Return the rows up to a time [s]."""
        part = History()
        part._rows = [row for row in self._rows if row[0] <= time]
        return part

    def columns(self, *names: str) -> tuple[Array, ...]:
        """Return the columns called ``names`` (of :data:`COLUMNS`), each (n,)."""
        table = np.array(self._rows, dtype=np.float64).reshape(-1, len(COLUMNS))
        return tuple(np.ascontiguousarray(table[:, COLUMNS.index(name)]) for name in names)
