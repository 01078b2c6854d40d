"""The report's section on decisions: what declining, predicting and squeezing less are worth."""

from __future__ import annotations

from collections.abc import Sequence

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.report.content import ABSENT, Section, Table, number, percent, points
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.intervals import Estimate
from vnb_benchmark.statistics.summary import ALL, ORACLE, REFERENCE, summarise
from vnb_benchmark.statistics.targets import discrimination, gap_closed, selective

BASE = "scripted"


def decisions(rows: Sequence[Outcome]) -> Section:
    """Return the section; empty unless the reference was run beside another method that is not the oracle."""
    methods = of.methods_of(rows)
    others = [name for name in methods if name not in (REFERENCE, ORACLE)]
    if REFERENCE not in methods or not others:
        return Section("Decisions")
    compared = [selective(rows, REFERENCE, other) for other in others]
    cells = tuple(
        (found.other, number(found.aurc, 3), _difference(found.aurc_less), _plain(found.force_ratio))
        for found in compared
    )
    header = ("against", "its AURC", f"AURC of {REFERENCE} less its", f"peak force of {REFERENCE} over its")
    caption = (
        "AURC: area under the risk-coverage curve, lower is better; what gives no probability declines at random. "
        "Intervals of 95 % from a bootstrap over cases."
    )
    return Section("Decisions", tables=(Table(header, cells, caption), _by_regime(rows)))


def _by_regime(rows: Sequence[Outcome]) -> Table:
    regimes = of.regimes_of(rows)
    cells = []
    for group in [*regimes, *([ALL] if len(regimes) > 1 else [])]:
        inside = [row for row in rows if group in (ALL, row.regime)]
        found = summarise(inside, REFERENCE, group)
        auroc, ece = discrimination(inside, REFERENCE)
        closed = gap_closed(inside, REFERENCE, BASE, ORACLE)
        cells.append(
            (
                group,
                percent(found.accepted_failed),
                f"{found.abstained} of {found.n}",
                _plain(auroc),
                _plain(ece),
                points(closed).replace("+", "") if closed.known else ABSENT,
            )
        )
    header = ("regime", "failed of accepted", "declined", "AUROC", "ECE", f"gap {BASE} to {ORACLE} closed [%]")
    return Table(header, tuple(cells), f"What {REFERENCE} predicts and decides.")


def _plain(estimate: Estimate) -> str:
    if not estimate.has_interval:
        return number(estimate.value, 2)
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _difference(estimate: Estimate) -> str:
    if not estimate.has_interval:
        return number(estimate.value, 3)
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
