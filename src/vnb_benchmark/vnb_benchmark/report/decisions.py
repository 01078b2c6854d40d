"""The report's section on decisions: what declining, predicting and squeezing less are worth."""

from __future__ import annotations

from collections.abc import Sequence

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.report.content import ABSENT, Section, Table, number, percent, points, with_interval
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.intervals import Estimate
from vnb_benchmark.statistics.summary import ALL, ORACLE, reference_of, summarise
from vnb_benchmark.statistics.targets import discrimination, gap_closed, selective

BASE = "scripted"


def decisions(rows: Sequence[Outcome]) -> Section:
    """Return the section; empty unless the reference was run beside another method, neither of them the oracle."""
    methods, reference = of.methods_of(rows), reference_of(rows)
    others = [name for name in methods if name not in (reference, ORACLE)]
    if reference in ("", ORACLE) or not others:
        return Section("Decisions")
    compared = [selective(rows, reference, other) for other in others]
    cells = tuple(
        (found.other, number(found.aurc, 3), _difference(found.aurc_less), with_interval(found.force_ratio))
        for found in compared
    )
    header = ("against", "its AURC", f"AURC of {reference} less its", f"peak force of {reference} over its")
    caption = (
        "AURC: area under the risk-coverage curve, lower is better; what gives no probability declines at random, and "
        "an episode without a verdict is the first that is declined. Intervals of 95 % from a bootstrap over objects "
        "at seeds."
    )
    return Section("Decisions", tables=(Table(header, cells, caption), _by_regime(rows, reference)))


def _by_regime(rows: Sequence[Outcome], reference: str) -> Table:
    regimes = of.regimes_of(rows)
    cells = []
    for group in [*regimes, *([ALL] if len(regimes) > 1 else [])]:
        inside = [row for row in rows if group in (ALL, row.regime)]
        found = summarise(inside, reference, group)
        auroc, ece = discrimination(inside, reference)
        closed = gap_closed(inside, reference, BASE, ORACLE)
        cells.append(
            (
                group,
                percent(found.accepted_failed),
                f"{found.abstained} of {found.n}",
                with_interval(auroc),
                with_interval(ece),
                points(closed).replace("+", "") if closed.known else ABSENT,
            )
        )
    header = ("regime", "failed of accepted", "declined", "AUROC", "ECE", f"gap {BASE} to {ORACLE} closed [%]")
    return Table(header, tuple(cells), f"What {reference} predicts and decides.")


def _difference(estimate: Estimate) -> str:
    if not estimate.has_interval:
        return number(estimate.value, 3)
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
