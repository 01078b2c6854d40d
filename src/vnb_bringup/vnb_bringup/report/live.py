"""The line that says how a running trial goes."""

from __future__ import annotations

import math
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from vnb_bringup.report.record import StepRecord

_PHASES = {
    "approach": "moving to the object",
    "closing": "closing",
    "lift": "lifting",
    "tests": "testing the hold",
}


class LiveLine:
    """One line on a terminal that changes in place; elsewhere a line per part of the trial.

    Args:
        console: Where to write; standard error if None, so that standard output keeps the verdict.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._phase = ""
        self._figures = ""
        self._spinner = Spinner("dots")

    def __enter__(self) -> LiveLine:
        if self._console.is_terminal:
            self._live = Live(self._spinner, console=self._console, refresh_per_second=12, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._figures:
            self._console.print(f"last step: {self._figures}")

    def phase(self, name: str) -> None:
        """Say that a part of the trial begins."""
        self._phase = _PHASES.get(name, name)
        if self._live is None:
            self._console.print(f"{self._phase} ...")
        self._show()

    def step(self, step: StepRecord) -> None:
        """Say how a decision went."""
        figures = [f"step {step.step:2d}", f"contacts {sum(step.contact)}/5"]
        if math.isfinite(step.p_fail):
            figures.append(f"P(fail) {step.p_fail:.2f}")
        figures.append(f"epsilon {step.epsilon_hat:.3f}")
        self._figures = "   ".join(figures)
        self._show()

    def _show(self) -> None:
        if self._live is not None:
            self._spinner.update(text=f"{self._phase:<21} [dim]{self._figures}[/]")
