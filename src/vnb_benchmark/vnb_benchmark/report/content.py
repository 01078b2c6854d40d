"""What a report consists of, before it is Markdown or HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vnb_benchmark.statistics.intervals import Estimate

ABSENT = "-"


@dataclass(frozen=True)
class Table:
    """A table of texts, with a line of explanation."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawn figure: file name without ending, what it shows, and its bytes by file ending."""

    name: str
    caption: str
    files: dict[str, bytes]


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables, figures and literal texts, in this order."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    literals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole: title, what one should know first, sections."""

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...] = field(default_factory=tuple)

    @property
    def figures(self) -> list[Figure]:
        """All figures in order."""
        return [figure for section in self.sections for figure in section.figures]


def number(value: float, digits: int = 2, unit: str = "") -> str:
    """Return a number as text, ``-`` if there is none."""
    return f"{value:.{digits}f}{unit}" if math.isfinite(value) else ABSENT


def percent(estimate: Estimate) -> str:
    """Return a share with its interval in per cent."""
    if not estimate.known:
        return ABSENT
    if not estimate.has_interval:
        return f"{100 * estimate.value:.0f} %"
    return f"{100 * estimate.value:.0f} % [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def with_interval(estimate: Estimate) -> str:
    """Return a figure with its interval."""
    if not estimate.has_interval:
        return number(estimate.value, 2)
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def points(estimate: Estimate) -> str:
    """Return a difference of shares with its interval in percentage points."""
    if not estimate.known:
        return ABSENT
    if not estimate.has_interval:
        return f"{100 * estimate.value:+.0f} (too few cases for an interval)"
    return f"{100 * estimate.value:+.0f} [{100 * estimate.low:+.0f}, {100 * estimate.high:+.0f}]"
