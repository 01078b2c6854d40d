"""The sections of a benchmark report: figures in plain words, ties called ties, shortfalls stated."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.report import plots
from vnb_benchmark.report.content import ABSENT, Figure, Report, Section, Table, number, percent, points, with_interval
from vnb_benchmark.report.decisions import decisions
from vnb_benchmark.report.paper import paper_figures
from vnb_benchmark.report.plots import Styles
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.intervals import Estimate
from vnb_benchmark.statistics.summary import (
    ALL,
    Comparison,
    Summary,
    comparisons,
    reference_of,
    summaries,
    summarise,
)
from vnb_benchmark.statistics.sweeps import SweepCurve, sweep_curves
from vnb_benchmark.statistics.targets import discrimination

Render = Callable[[Outcome], bytes | None]

_LISTED = 40
_TRIED = 3
"""Episodes of a failure mode that are run again until one can be shown."""
_TRENDS = {1: "should rise", -1: "should fall", 0: "nothing expected"}


def build_report(
    rows: Sequence[Outcome], meta: Mapping[str, str], command: str, render: Render | None = None, no_pictures: str = ""
) -> Report:
    """Return the report of a run.

    Args:
        rows: All of its outcomes.
        meta: What the store says of itself: ``runs``, ``versions``, ``checkpoint``, ``pose_source``.
        command: Command line that made this report.
        render: Draws the end of an episode as PNG; None for no pictures. What it returns None for has no picture.
        no_pictures: Why there are none, in words.
    """
    counted = of.counted(rows)
    methods = of.methods_of(rows)
    styles = Styles(methods)
    by_regime = summaries(counted)
    overall = [summarise(counted, method) for method in of.methods_of(counted)]
    compared, reference = comparisons(counted), reference_of(counted)
    sections = [
        _table_iii(by_regime, styles),
        _shortfalls(by_regime),
        _pairwise(compared, reference),
        _details(by_regime, overall),
        _objects(counted),
        _betas(counted),
        _calibration(counted, overall, styles),
        decisions(counted),
        Section("Grasp quality over steps", figures=_some(plots.quality_over_steps(counted, styles))),
        _sweeps(sweep_curves(rows), styles),
        _failures(overall, rows),
        _pictures(counted, reference, render, no_pictures),
        _provenance(rows, meta, command),
    ]
    kept = tuple(s for s in sections if s.text or s.tables or s.figures or s.literals)
    return Report("Benchmark report", _lead(rows, counted, compared, reference), kept)


def _lead(
    rows: Sequence[Outcome], counted: Sequence[Outcome], compared: Sequence[Comparison], reference: str
) -> tuple[str, ...]:
    if not rows:
        return ("The store holds no episodes yet, so there is nothing to report.",)
    lines = []
    if counted:
        cases = len({row.case for row in counted})
        lines.append(f"{_count(len(counted), 'episode')} on {cases} case{'s' * (cases != 1)} count in the tables.")
    splits = sorted({row.split for row in counted} - {"test"})
    if splits:
        lines.append(
            f"They are of the split {', '.join(splits)}, on which settings and thresholds may have been chosen: no "
            "measure of what a method does in scenarios that are new to it."
        )
    if len(counted) < len(rows):
        lines.append(
            f"{_count(len(rows) - len(counted), 'other episode')} of the store: cases of other splits than test, or of "
            "sweeps, which have a section of their own."
        )
    broken = [row for row in counted if row.status != OK]
    if broken:
        lines.append(
            f"{_count(len(broken), 'episode')} failed, crashed or hung; they count as failures of their method."
        )
    overall = [c for c in compared if c.group == ALL]
    for verdict in dict.fromkeys(c.verdict for c in overall):
        others = ", ".join(c.other for c in overall if c.verdict == verdict)
        if verdict == "tie":
            lines.append(f"{reference} ties with {others} in robust success: no difference is shown.")
        elif verdict.startswith(f"{reference} "):
            lines.append(f"{reference} is better than {others} in robust success.")
        else:
            better = verdict.removesuffix(" is better")
            lines.append(f"{better} is better than {reference} in robust success.")
    return tuple(lines)


def _table_iii(by_regime: Sequence[Summary], styles: Styles) -> Section:
    rows = []
    for s in by_regime:
        paper = paper_figures(s.method, s.group)
        error = s.calibration.error if s.calibration else math.nan
        theirs = ABSENT
        if paper:
            shares = f"{100 * paper.robust:.0f} / {100 * paper.survival:.0f}"
            theirs = f"{shares} / {number(paper.calibration_error)} / {paper.seconds:.1f}"
        rows.append(
            (
                s.group,
                s.method,
                str(s.n),
                percent(s.robust),
                percent(s.survival),
                number(error),
                number(s.seconds, 1),
                theirs,
            )
        )
    header = ("regime", "method", "n", "robust success", "survival", "calibration error", "s per episode", "paper")
    caption = (
        "The layout of the paper's Table III. Its column: robust success [%] / survival [%] / calibration error / "
        "seconds, in its own simulator on an RTX 4070, by its own measure of success (see the details for ours by "
        "that measure). Seconds are of one worker, the way to the object included, which methods on the same scenario "
        "share when run together. A dash: not computed."
    )
    tables = (Table(header, tuple(rows), caption),) if rows else ()
    return Section("Results by regime", tables=tables, figures=_some(plots.regime_bars(by_regime, styles)))


def _shortfalls(by_regime: Sequence[Summary]) -> Section:
    """State, figure by figure, where a method of the paper falls short of what the paper gives for it."""
    rows = []
    for s in by_regime:
        paper = paper_figures(s.method, s.group)
        if paper is None:
            continue
        for what, ours, theirs in (
            ("robust success", s.robust_paper, paper.robust),
            ("survival", s.survival, paper.survival),
        ):
            rows.append((s.method, s.group, what, percent(ours), f"{100 * theirs:.0f} %", _against(ours, theirs)))
        if s.calibration is not None and math.isfinite(paper.calibration_error):
            error = s.calibration.error
            verdict = "as good or better" if error <= paper.calibration_error else "short of it"
            rows.append(
                (s.method, s.group, "calibration error", number(error), number(paper.calibration_error), verdict)
            )
    caption = "The paper's figures as targets. Robust success here is by its measure: 12 N, whatever the force."
    header = ("method", "regime", "figure", "here", "in the paper", "verdict")
    return Section("Against the paper", tables=(Table(header, tuple(rows), caption),) if rows else ())


def _against(ours: Estimate, theirs: float) -> str:
    gap = f"{abs(100 * (ours.value - theirs)):.0f} points"
    if not ours.has_interval:
        return "too few cases to tell"
    if ours.high < theirs:
        return f"short of it by {gap}"
    return f"above it by {gap}" if ours.low > theirs else "no difference shown"


def _pairwise(compared: Sequence[Comparison], reference: str) -> Section:
    if not compared:
        return Section("Pairs", ("No pairs: there is no other method on the same cases.",) if reference else ())
    rows = tuple(
        (
            c.group,
            c.other,
            str(c.cases),
            points(c.robust),
            points(c.survival),
            f"{c.p:.3g}",
            f"{c.p_holm:.3g}",
            c.verdict,
        )
        for c in compared
    )
    header = (
        "regime",
        f"{reference} against",
        "cases",
        "robust success",
        "survival",
        "McNemar p",
        "p (Holm)",
        "verdict",
    )
    caption = (
        f"{reference} less the other on the same cases, in percentage points, with the 95 % interval of a bootstrap "
        "over objects at seeds. A tie: the interval of robust success contains 0, there are too few cases for one, or "
        "McNemar's exact p is not below 0.05. Of many rows, some differ by chance: Holm's p is corrected for their "
        "number. Methods that take no beta count for every beta."
    )
    return Section("Pairs", tables=(Table(header, rows, caption),))


def _details(by_regime: Sequence[Summary], overall: Sequence[Summary]) -> Section:
    if not by_regime:
        return Section("Details")
    several = len({s.group for s in by_regime}) > 1
    rows = tuple(
        (
            s.group,
            s.method,
            str(s.cases),
            percent(s.nominal),
            percent(s.nominal_12),
            percent(s.robust_paper),
            number(s.peak_force, 1, " N"),
            number(1e3 * s.planning_p50, 0, " ms"),
            number(1e3 * s.planning_p99, 0, " ms"),
            f"{s.abstained} of {s.n}",
            percent(s.accepted_failed),
            str(s.broken),
            points(s.gap),
        )
        for s in [*by_regime, *(overall if several else [])]
    )
    header = (
        "regime",
        "method",
        "cases",
        "held to 8 N",
        "held to 12 N",
        "robust, paper's",
        "peak force",
        "decision p50",
        "decision p99",
        "abstained",
        "failed of accepted",
        "broken",
        "gap to oracle",
    )
    caption = (
        "Shares with Wilson's 95 % interval, what an object and a seed have in common counted once; peak force is a "
        "median; p50 and p99 are of all decisions together; the gap is in points. "
        "What a method declined to lift was lifted and tested all the same, and counts by that."
    )
    return Section("Details", tables=(Table(header, rows, caption),))


def _by_group(rows: Sequence[Outcome], what: str, key: Callable[[Outcome], str]) -> tuple[Table, ...]:
    found = summaries(rows, key)
    cells = tuple((s.group, s.method, str(s.n), percent(s.robust), percent(s.survival)) for s in found)
    return (Table((what, "method", "n", "robust success", "survival"), cells),) if cells else ()


def _objects(rows: Sequence[Outcome]) -> Section:
    return Section("By object", tables=_by_group(rows, "object", lambda row: row.object_name))


def _betas(rows: Sequence[Outcome]) -> Section:
    """Return nothing unless there are several betas to tell apart."""
    with_beta = [row for row in rows if row.beta == row.beta]
    if len({row.beta for row in with_beta}) < 2:
        return Section("By beta")
    return Section("By beta", tables=_by_group(with_beta, "beta", lambda row: f"{row.beta:g}"))


def _calibration(counted: Sequence[Outcome], overall: Sequence[Summary], styles: Styles) -> Section:
    if not overall:
        return Section("Calibration")
    rows = []
    for s in overall:
        c = s.calibration
        auroc, ece = discrimination(counted, s.method)
        error, brier, mass, area = (c.error, c.brier, c.ece_mass, c.aurc) if c else (math.nan,) * 4
        plain = (number(error, 3), number(brier, 3), with_interval(ece), number(mass, 3), with_interval(auroc))
        rows.append((s.method, str(c.n if c else 0), *plain, number(area, 3)))
    header = ("method", "n", "|P_bel - P_emp|", "Brier", "ECE", "ECE, equal mass", "AUROC", "AURC")
    caption = (
        "The event is: no robust success. |P_bel - P_emp|, the paper's figure, compares with the share of the battery "
        "failed instead. Over the n episodes with a probability; intervals from a bootstrap over objects at seeds. "
        "A dash: the method gives no probability, or all episodes ended alike (AUROC)."
    )
    figures = _some(plots.reliability_diagrams(overall, styles), plots.risk_coverage_curves(overall, styles))
    return Section("Calibration", tables=(Table(header, tuple(rows), caption),), figures=figures)


def _sweeps(curves: Sequence[SweepCurve], styles: Styles) -> Section:
    if not curves:
        return Section("Sweeps")
    rows = tuple(
        (c.sweep, c.method, str(len(c.points)), _TRENDS[c.direction], c.trend, str(c.reversals), str(c.clear_reversals))
        for c in curves
    )
    header = ("sweep", "method", "levels", "robust success", "from lowest to highest", "reversals", "clear ones")
    caption = "Reversals: steps between levels against what is expected; clear ones have intervals that do not overlap."
    names = dict.fromkeys(c.sweep for c in curves)
    figures = tuple(plots.sweep_plot([c for c in curves if c.sweep == name], styles) for name in names)
    return Section("Sweeps", tables=(Table(header, rows, caption),), figures=figures)


def _failures(overall: Sequence[Summary], rows: Sequence[Outcome]) -> Section:
    modes = list(dict.fromkeys(mode for s in overall for mode in sorted(s.failure_modes)))
    tables = []
    if overall:
        counts = tuple((s.method, *(str(s.failure_modes.get(mode, 0)) for mode in modes)) for s in overall)
        tables.append(Table(("method", *modes), counts, "Episodes by how they ended."))
    broken = [row for row in rows if row.status != OK]
    if broken:
        cells = tuple((str(r.case), r.method, number(r.beta), r.status, r.error[:300]) for r in broken[:_LISTED])
        more = f" The first {_LISTED} of {len(broken)}." if len(broken) > _LISTED else ""
        caption = f"Episodes without a verdict.{more}"
        tables.append(Table(("case", "method", "beta", "status", "error"), cells, caption))
    return Section("How episodes ended", tables=tuple(tables), figures=_some(plots.failure_modes(overall)))


def _pictures(rows: Sequence[Outcome], reference: str, render: Render | None, reason: str) -> Section:
    title = "One episode of each failure mode"
    candidates: dict[str, list[Outcome]] = {}
    for row in sorted(rows, key=lambda row: row.method != reference):
        if row.status == OK and row.failure_mode != "none":
            candidates.setdefault(row.failure_mode, []).append(row)
    if not candidates:
        return Section(title)
    if render is None:
        return Section(title, (f"No pictures: {reason or 'none were asked for'}.",))
    figures, missing = [], []
    for mode in sorted(candidates):
        for row in candidates[mode][:_TRIED]:
            png = render(row)
            if png:
                about = f"{mode}: {row.method} on case {row.case} ({row.object_name}, {row.regime}, seed {row.seed})"
                figures.append(Figure(f"failure_{mode}", about, {"png": png}))
                break
        else:
            tried = min(_TRIED, len(candidates[mode]))
            missing.append(
                f"No picture of {mode}: run again, {_count(tried, 'such episode')} could not be drawn or came out "
                "differently."
            )
    return Section(title, tuple(missing), figures=tuple(figures))


def _provenance(rows: Sequence[Outcome], meta: Mapping[str, str], command: str) -> Section:
    seeds = sorted({row.seed for row in rows})
    try:
        cases = json.loads(meta.get("cases", "{}"))
    except ValueError:
        cases = {}
    named = cases if isinstance(cases, dict) else {}
    lines = []
    for run in json.loads(meta.get("runs", "[]")):
        lines += [
            f"run:        {run.get('command') or ABSENT}",
            f"  started:  {run.get('started') or ABSENT}, commit {run.get('commit') or ABSENT}",
            f"  came to:  {_came_to(run)}",
            f"  hardware: {run.get('hardware') or ABSENT}",
        ]
    lines += [
        f"report:     {command}",
        f"scenarios:  {named.get('name', ABSENT)}, drawn with seed {named.get('seed', ABSENT)}",
        f"seeds:      {_ranges(seeds)}",
        f"checkpoint: {meta.get('checkpoint') or ABSENT}",
        f"versions:   {meta.get('versions', ABSENT)}",
        f"statuses:   {', '.join(f'{n} {status}' for status, n in sorted(Counter(r.status for r in rows).items()))}",
    ]
    return Section("Where the numbers come from", literals=("\n".join(lines),))


def _came_to(run: Mapping[str, str]) -> str:
    if "seconds" not in run:
        return "killed before its end"
    return f"{run['episodes']} episodes in {float(run['seconds']) / 60.0:.1f} min"


def _ranges(seeds: Sequence[int]) -> str:
    """Return sorted integers as text, runs of them as first-last."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1][1:] = [seed]
        else:
            parts.append([seed])
    return ", ".join("-".join(map(str, part)) for part in parts) or ABSENT


def _some(*figures: Figure | None) -> tuple[Figure, ...]:
    return tuple(figure for figure in figures if figure is not None)


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}{'s' * (number_of != 1)}"
