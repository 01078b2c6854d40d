"""A progress bar that says something in a file or a pipe too."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_PERIOD = 30.0
"""Time between the lines of a bar that is on no terminal [s]."""


class LineProgress(Progress):
    """A bar with a field ``note``; where there is no terminal, which rich leaves empty, a line now and then.

    Args:
        console: Where it is shown.
        period: Time between lines [s].
    """

    def __init__(self, console: Console, period: float = LINE_PERIOD) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=1800.0,  # an episode may take longer than rich's half minute
        )
        self._period = period
        self._last = time.monotonic()

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """See :meth:`rich.progress.Progress.update`."""
        super().update(task_id, **fields)
        if not self.console.is_terminal and time.monotonic() - self._last >= self._period:
            self._last = time.monotonic()
            for task in self.tasks:
                left = "" if task.time_remaining is None else f", about {task.time_remaining / 60.0:.0f} min left"
                note = str(task.fields.get("note", ""))
                line = f"{task.description} {task.completed:.0f}/{task.total or 0.0:.0f}{left}  {note}".rstrip()
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)
