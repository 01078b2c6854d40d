"""Outcomes as the statistics read them: which rows count, and which belong to one another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vnb_benchmark.outcome import OK, Outcome

REGIMES = ("nominal", "wide", "bimodal")
METHODS = ("vnb", "gauss_cvar", "cem", "pf")


def robust(row: Outcome) -> bool:
    """Return whether the episode is a robust success; one that failed, crashed or hung is not."""
    return row.status == OK and row.robust


def robust_paper(row: Outcome) -> bool:
    """Return whether the episode is a robust success by the paper's measure."""
    return row.status == OK and row.robust_paper


def nominal(row: Outcome) -> bool:
    """Return whether the object was held up to 8 N."""
    return row.status == OK and row.nominal


def nominal_12(row: Outcome) -> bool:
    """Return whether the object was held up to 12 N."""
    return row.status == OK and row.nominal_12


def survival(row: Outcome) -> float:
    """Return the share of the battery survived; 0 for an episode that did not end properly."""
    return row.survival if row.status == OK else 0.0


def cluster(row: Outcome) -> str:
    """Return what an episode is drawn with: those of one object and seed share all but friction, pose error or beta.

    They are alike, so that only whole clusters count as independent of one another.
    """
    return f"{row.object_name}/{row.seed}"


def names(found: set[str], first: Sequence[str]) -> list[str]:
    """Return the names, well-known ones first and in their order, the others by alphabet."""
    return [name for name in first if name in found] + sorted(found - set(first))


def methods_of(rows: Sequence[Outcome]) -> list[str]:
    """Return the methods in the order of the tables."""
    return names({row.method for row in rows}, METHODS)


def regimes_of(rows: Sequence[Outcome]) -> list[str]:
    """Return the regimes in the order of the tables."""
    return names({row.regime for row in rows}, REGIMES)


def counted(rows: Sequence[Outcome]) -> list[Outcome]:
    """Return the rows that the tables are about.

    None of a sweep, whose cases are not drawn like the others; and only cases of the test split, as others may have
    served to set a method up. If there is none of that split, the others are what the tables are about.
    """
    drawn = [row for row in rows if not row.sweep]
    return [row for row in drawn if row.split == "test"] or drawn


def pairs(first: Sequence[Outcome], second: Sequence[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """Return the episodes of two methods on the same case at the same beta, in the order of the first.

    A method that takes no beta (NaN) was run once per case; its result counts for every beta of the other method.
    """
    by_beta: dict[tuple[int, float], Outcome] = {}
    without: dict[int, Outcome] = {}
    by_case: dict[int, list[Outcome]] = {}
    for row in second:
        by_case.setdefault(row.case, []).append(row)
        if math.isnan(row.beta):
            without[row.case] = row
        else:
            by_beta[row.case, row.beta] = row
    result: list[tuple[Outcome, Outcome]] = []
    for row in first:
        if math.isnan(row.beta):
            result += [(row, other) for other in by_case.get(row.case, [])]
        else:
            partner = by_beta.get((row.case, row.beta)) or without.get(row.case)
            if partner is not None:
                result.append((row, partner))
    return result
