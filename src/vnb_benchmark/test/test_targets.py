"""Figures of decisions against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.report.decisions import decisions
from vnb_benchmark.statistics.targets import discrimination, gap_closed, selective
from vnb_benchmark.statistics.testing import broken_outcome, make_outcome, make_run


def outcomes(
    method: str, successes: str, p_fail: tuple[float, ...] | float = math.nan, **values: float
) -> list[Outcome]:
    """One outcome per case, ``1`` for a robust success."""
    p = p_fail if isinstance(p_fail, tuple) else (p_fail,) * len(successes)
    return [
        make_outcome(mark == "1", case=i, method=method, p_fail=p[i], beta=math.nan, **values)
        for i, mark in enumerate(successes)
    ]


def test_who_predicts_nothing_declines_at_random() -> None:
    rows = [*outcomes("vnb", "10", (0.1, 0.9)), *outcomes("scripted", "10")]
    found = selective(rows, "vnb", "scripted")
    assert found.aurc == 0.5
    assert found.aurc_less.value == pytest.approx(0.25 - 0.5)  # risk 0 at half coverage, 1/2 at full
    assert not found.aurc_less.has_interval


def test_what_ends_without_a_verdict_is_the_first_that_is_declined() -> None:
    rows = [*outcomes("vnb", "11", (0.1, 0.2)), broken_outcome(case=2, beta=math.nan), *outcomes("cem", "110", 0.5)]
    found = selective(rows, "vnb", "cem")
    assert found.aurc_less.value == pytest.approx((0.0 + 0.0 + 1.0 / 3.0) / 3.0 - 1.0 / 3.0)


def test_a_perfect_prediction_is_better_beyond_doubt() -> None:
    marks = "10" * 20
    p = tuple(0.1 if mark == "1" else 0.9 for mark in marks)
    found = selective([*outcomes("vnb", marks, p), *outcomes("scripted", marks)], "vnb", "scripted")
    assert found.aurc_less.high < 0.0
    same = selective([*outcomes("vnb", marks), *outcomes("scripted", marks)], "vnb", "scripted")
    assert same.aurc_less.value == 0.0
    assert same.aurc_less.tie


def test_force_ratio_is_that_of_the_means_over_finished_pairs() -> None:
    rows = [
        *outcomes("vnb", "111", peak_force=4.0),
        *outcomes("squeeze", "11", peak_force=8.0),
        broken_outcome(case=2, method="squeeze", beta=math.nan),
    ]
    assert selective(rows, "vnb", "squeeze").force_ratio.value == 0.5


def test_the_gap_closed_is_a_share_of_the_ceiling_less_the_base() -> None:
    rows = [*outcomes("vnb", "11100000"), *outcomes("scripted", "10000000"), *outcomes("oracle", "11111000")]
    found = gap_closed(rows, "vnb", "scripted", "oracle")
    assert found.value == 0.5
    assert found.low <= 0.5 <= found.high
    assert not gap_closed(rows, "vnb", "scripted", "cem").known
    level = [*outcomes("vnb", "11"), *outcomes("scripted", "11"), *outcomes("oracle", "11")]
    assert not gap_closed(level, "vnb", "scripted", "oracle").known


def test_discrimination_of_perfect_and_of_no_predictions() -> None:
    marks = "10" * 5
    auroc, ece = discrimination(outcomes("vnb", marks, tuple(0.0 if m == "1" else 1.0 for m in marks)), "vnb")
    assert (auroc.value, ece.value) == (1.0, 0.0)
    assert not discrimination(outcomes("vnb", marks), "vnb")[0].known


def test_figures_are_the_same_for_the_same_seed() -> None:
    rows = make_run()
    assert selective(rows, "vnb", "cem") == selective(rows, "vnb", "cem")


def test_the_section_names_every_other_method_and_regime() -> None:
    section = decisions(make_run(methods=("vnb", "oracle", "scripted")))
    assert [row[0] for row in section.tables[0].rows] == ["scripted"]
    assert [row[0] for row in section.tables[1].rows] == ["nominal", "wide", "bimodal", "all"]
    without = decisions(make_run(methods=("cem", "scripted")))
    assert "peak force of cem over its" in without.tables[0].header
    assert not decisions(make_run(methods=("oracle", "scripted"))).tables
    assert not decisions(make_run(methods=("scripted",))).tables
