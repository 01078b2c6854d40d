"""The report on pose estimates: tables, figures, and every failure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.figure import Figure as Drawing
from scipy.stats import chi2

from vnb_benchmark.perception.measure import FUSED, LIMITS, Measurement
from vnb_benchmark.perception.summary import PoseSummary, by_source, summarise
from vnb_benchmark.report.content import ABSENT, Figure, Report, Section, Table
from vnb_benchmark.report.plots import PALETTE
from vnb_benchmark.report.write import write_files

_HEADER = (
    "", "estimates", "no pose", "wrong", "mm, median", "mm, 95 %", "deg, median", "deg, 95 %", "NEES", "NEES band",
    "ms, median", "ms, 95 %",
)  # fmt: skip


def write_perception_report(measurements: Sequence[Measurement], out: Path, command: str) -> Path:
    """Write ``report.md``, ``report.html``, ``figures/`` and ``measurements.csv``; return the path of the page.

    Raises:
        ConfigError: If the folder cannot be written to.
    """
    page = write_files(perception_report(measurements, command), out)
    (out / "measurements.csv").write_text(csv_text(measurements), encoding="utf-8")
    return page


def perception_report(measurements: Sequence[Measurement], command: str) -> Report:
    """Return the report."""
    fused = [m for m in measurements if m.source == FUSED]
    lead = (
        f"{len(fused)} poses, each seen by both simulated cameras; errors are those of the object's centre and of its "
        f"orientation up to symmetry. Wrong: a pose that is vouched for and is off by more than {1000 * LIMITS[0]:.0f} "
        f"mm or {math.degrees(LIMITS[1]):.0f} degrees.",
        f"Made by `{command}`.",
    )
    groups = list(dict.fromkeys(m.pose.group for m in fused))
    sections = (
        Section("Cameras", _calibration_text(measurements), (table(by_source(measurements)),)),
        Section("Objects, fused", (), (_split(fused, lambda m: m.pose.object_name),)),
        *([Section("Groups, fused", (), (_split(fused, lambda m: m.pose.group),))] if len(groups) > 1 else []),
        Section("Errors", (), (), (_errors(measurements), _calibration(measurements))),
        Section("Failures", (), (_failures(measurements),)),
    )  # fmt: skip
    return Report("Pose estimates from depth images", lead, sections)


def table(summaries: Sequence[PoseSummary]) -> Table:
    """Return the table of summaries."""
    rows = []
    for s in summaries:
        figures = (*(1000 * x for x in s.translation), *(math.degrees(x) for x in s.rotation), s.nees)
        band = f"{s.band[0]:.2f} to {s.band[1]:.2f}"
        times = (f"{1000 * x:.0f}" for x in s.duration)
        counts = (s.name, str(s.count), str(s.declared), str(s.wrong))
        rows.append((*counts, *(_number(x) for x in figures), band if s.nees == s.nees else ABSENT, *times))
    caption = "NEES: mean normalised squared error per degree of freedom, 1 if the stated covariance is right."
    return Table(_HEADER, tuple(rows), caption)


def _number(value: float) -> str:
    return f"{value:.2f}" if value == value else ABSENT


def _split(measurements: Sequence[Measurement], key: Callable[[Measurement], str]) -> Table:
    names = dict.fromkeys(key(m) for m in measurements)
    return table([summarise(name, [m for m in measurements if key(m) == name]) for name in names])


def _calibration_text(measurements: Sequence[Measurement]) -> tuple[str, ...]:
    texts = []
    for s in by_source(measurements):
        if s.nees == s.nees:
            verdict = "within" if s.band[0] <= s.nees <= s.band[1] else "outside"
            texts.append(f"{s.name}: NEES {s.nees:.3f} is {verdict} its 95 % band, {s.band[0]:.3f} to {s.band[1]:.3f}.")
        if s.declared or s.wrong:
            count = f"{s.declared} of {s.declared + s.wrong} bad cases ({s.declared_share:.1%})"
            texts.append(f"{s.name}: {count} are declared, the others wrong.")
    return tuple(texts)


def _failures(measurements: Sequence[Measurement]) -> Table:
    rows = []
    for m in measurements:
        if m.declared:
            rows.append((m.source, m.pose.object_name, m.pose.group, str(m.pose.seed), m.status, m.reason))
        elif m.bad:
            off = f"{1000 * m.translation:.1f} mm, {math.degrees(m.rotation):.1f} deg off"
            what = off if m.pose.present else "the object is not there"
            rows.append((m.source, m.pose.object_name, m.pose.group, str(m.pose.seed), "WRONG", what))
    header = ("source", "object", "group", "seed", "status", "why")
    return Table(header, tuple(rows), "Every estimate without a pose, and every wrong one." if rows else "None.")


def _errors(measurements: Sequence[Measurement]) -> Figure:
    drawing = Drawing(figsize=(8.0, 3.0), layout="constrained")
    for axes, (unit, limit, of) in zip(
        drawing.subplots(1, 2),
        (
            ("translation [mm]", 1000 * LIMITS[0], lambda m: 1000 * m.translation),
            ("rotation [deg]", math.degrees(LIMITS[1]), lambda m: math.degrees(m.rotation)),
        ),
        strict=True,
    ):
        for colour, s in zip(PALETTE, by_source(measurements), strict=False):
            values = np.sort([of(m) for m in measurements if m.source == s.name and np.isfinite(m.translation)])
            axes.step(values, np.arange(1, len(values) + 1) / max(s.count, 1), color=colour, label=s.name, where="post")
        axes.axvline(limit, color="#7F7F7F", linestyle=":")
        axes.set(xlabel=unit, ylabel="share of all poses", ylim=(0, 1.02), xlim=(0, 1.1 * limit))
    drawing.axes[0].legend(frameon=False)
    return _figure(drawing, "errors", "Share of the poses with less error; dotted: the limit of a wrong one.")


def _calibration(measurements: Sequence[Measurement]) -> Figure:
    drawing = Drawing(figsize=(3.6, 3.2), layout="constrained")
    axes = drawing.subplots()
    levels = np.linspace(0.0, 1.0, 41)
    axes.plot(levels, levels, color="#7F7F7F", linestyle=":")
    for colour, s in zip(PALETTE, by_source(measurements), strict=False):
        given = [m for m in measurements if m.source == s.name and np.isfinite(m.nees)]
        within = np.array([chi2.cdf(m.nees, m.freedom) for m in given])
        axes.plot(
            levels, [float(np.mean(within <= p)) if len(given) else np.nan for p in levels], color=colour, label=s.name
        )
    axes.set(xlabel="probability of the stated ellipsoid", ylabel="share of truths inside", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    return _figure(drawing, "calibration", "How often the truth is inside the ellipsoid that the covariance states.")


def _figure(drawing: Drawing, name: str, caption: str) -> Figure:
    files = {}
    for ending in ("png", "pdf", "svg"):
        buffer = io.BytesIO()
        metadata = {"CreationDate": None} if ending == "pdf" else {"Date": None} if ending == "svg" else {}
        drawing.savefig(buffer, format=ending, dpi=150, metadata=metadata)
        files[ending] = buffer.getvalue()
    return Figure(name, caption, files)


def csv_text(measurements: Sequence[Measurement]) -> str:
    """Return one row per measurement; angles in degrees, lengths in millimetres."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ("object", "group", "seed", "source", "status", "translation_mm", "rotation_deg", "nees", "freedom",
         "occlusion", "segmentation", "duration_ms")
    )  # fmt: skip
    for m in measurements:
        numbers = (1000 * m.translation, math.degrees(m.rotation), m.nees)
        rest = (m.freedom, f"{m.occlusion:.4f}", f"{m.segmentation:.4f}", f"{1000 * m.duration:.1f}")
        head = (m.pose.object_name, m.pose.group, m.pose.seed, m.source, m.status)
        writer.writerow((*head, *(f"{x:.4f}" for x in numbers), *rest))
    return buffer.getvalue()
