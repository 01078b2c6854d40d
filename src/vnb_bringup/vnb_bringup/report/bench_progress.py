"""How a running benchmark goes, and its results in a few lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console
from rich.table import Table

from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.running.tasks import beta_text
from vnb_bringup.commands._shared import progress_bar


class BenchProgress:
    """A bar with time left, episodes per minute, and robust success of each method so far.

    Args:
        total: Episodes to run.
    """

    def __init__(self, total: int) -> None:
        self._bar = progress_bar()
        self._task = self._bar.add_task("benchmark", total=total, note="")
        self._since = time.monotonic()
        self._done: Counter[str] = Counter()
        self._robust: Counter[str] = Counter()

    def __enter__(self) -> BenchProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, outcome: Outcome) -> None:
        """Count an outcome; an error is shown as it comes."""
        self._done[outcome.method] += 1
        self._robust[outcome.method] += outcome.robust
        rate = 60.0 * self._done.total() / max(time.monotonic() - self._since, 1e-9)
        shares = "  ".join(f"{name} {self._robust[name] / n:.0%}" for name, n in self._done.items())
        self._bar.update(self._task, advance=1, note=f"{rate:.1f}/min  robust: {shares}")
        if outcome.status != OK:
            where = f"case {outcome.case}, {outcome.method}, beta {beta_text(outcome.beta) or '-'}"
            self._bar.console.print(f"{outcome.status}: {where}: {outcome.error}", markup=False, highlight=False)


def print_table(outcomes: Iterable[Outcome]) -> None:
    """Print a line per method and beta."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.method, beta_text(outcome.beta)), []).append(outcome)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("method", "beta", "episodes", "lifted", "robust", "survival", "without verdict"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for (name, beta), group in sorted(groups.items()):
        count = len(group)
        table.add_row(
            name,
            beta or "-",
            str(count),
            f"{sum(o.lifted for o in group) / count:.0%}",
            f"{sum(o.robust for o in group) / count:.0%}",
            f"{sum(o.survival for o in group) / count:.0%}",
            str(sum(o.status != OK for o in group)),
        )
    Console(highlight=False).print(table)
