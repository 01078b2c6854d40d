"""Success and survival per friction regime and method, from a benchmark store (the paper's Fig. 4)."""

from __future__ import annotations

import matplotlib as mpl

from vnb_benchmark.report.content import Figure
from vnb_benchmark.report.plots import Styles, regime_bars
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.summary import summaries
from vnb_bringup.figures.sources import MissingSource, Sources
from vnb_bringup.figures.style import DPI, FONTS


def draw(sources: Sources) -> list[Figure]:
    """Draw the bars of all methods of the store."""
    rows = sources.require_outcomes()
    with mpl.rc_context(FONTS):
        figure = regime_bars(summaries(rows, lambda row: row.regime), Styles(of.methods_of(rows)), dpi=DPI)
    if figure is None:
        raise MissingSource("the benchmark store has no episode of a friction regime")
    return [figure]
