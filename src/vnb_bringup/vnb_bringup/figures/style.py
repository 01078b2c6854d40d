"""How the figures look and are saved: text that stays text in the PDF, and 300 dots per inch."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from vnb_benchmark.report.content import Figure

DPI = 300
COLUMN, PAGE = 3.5, 7.16
"""Widths of a column and of a page with two [in]."""

SHADES = {"approach": "#F0F0F0", "consolidation": "#E3EEF6", "maintenance": "#F8EDE0"}

FONTS: Any = {"pdf.fonttype": 42}
STYLE: Any = {
    **FONTS,
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def save(drawing: Drawing, name: str, caption: str) -> Figure:
    """Return a drawing as PNG and PDF; the same drawing gives the same bytes."""
    files = {}
    for ending, options in (("png", {"dpi": DPI}), ("pdf", {"metadata": {"CreationDate": None}})):
        buffer = io.BytesIO()
        drawing.savefig(buffer, format=ending, **options)  # type: ignore[arg-type]
        files[ending] = buffer.getvalue()
    return Figure(name, caption, files)


def bare(axes: Axes) -> None:
    """Show nothing but what is drawn inside."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
