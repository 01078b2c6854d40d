"""Put the rows of the tactile pads together as they arrive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import FINGERS
from vnb_hardware.hand.frames import COLUMNS, ROWS, TactileRow

ASSEMBLIES = ("whole", "latest")


class TactileAssembler:
    """Collects rows into one matrix per finger.

    Args:
        whole: True: a finger's matrix changes only when its twelve rows have come in one batch, which a row 0 opens, so
            that rows of two instants are never mixed. False: each row counts as it comes.

    Attributes:
        matrices: Latest matrices (5, 12, 6), bytes.
        times: When each finger's last changed (5,) [s]; -inf = never.
        dropped: Rows that belonged to no batch, or to one that never became whole.
    """

    def __init__(self, whole: bool = True) -> None:
        self._whole = whole
        self.matrices: NDArray[np.uint8] = np.zeros((len(FINGERS), ROWS, COLUMNS), dtype=np.uint8)
        self.times = np.full(len(FINGERS), -np.inf)
        self.dropped = 0
        self._open: list[dict[int, tuple[int, ...]] | None] = [None] * len(FINGERS)

    def add(self, row: TactileRow, now: float) -> bool:
        """Take a row that came at ``now`` [s]; return whether the finger's matrix changed."""
        if not self._whole:
            self.matrices[row.finger, row.row] = row.values
            self.times[row.finger] = now
            return True
        batch = self._open[row.finger]
        if row.row == 0:
            self.dropped += len(batch or ())
            batch = self._open[row.finger] = {}
        elif batch is None:
            self.dropped += 1
            return False
        batch[row.row] = row.values
        if len(batch) < ROWS:
            return False
        self.matrices[row.finger] = np.array([batch[i] for i in range(ROWS)], dtype=np.uint8)
        self.times[row.finger] = now
        self._open[row.finger] = None
        return True

    def sums(self) -> NDArray[np.int64]:
        """Return the sum of each finger's taxels (5,), 0 to 18360."""
        return self.matrices.astype(np.int64).sum(axis=(1, 2))
