"""Intervals, calibration and summaries against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.calibration import aurc, auroc, brier, calibrate, ece, reliability, risk_coverage
from vnb_benchmark.statistics.intervals import (
    Estimate,
    bootstrap_mean,
    holm,
    mcnemar,
    mcnemar_by_case,
    paired_difference,
    wilson,
)
from vnb_benchmark.statistics.quality import quality_curve
from vnb_benchmark.statistics.summary import compare, comparisons, summaries, summarise
from vnb_benchmark.statistics.sweeps import sweep_curves
from vnb_benchmark.statistics.testing import broken_outcome, make_outcome, make_run
from vnb_grasp.errors import ConfigError, NonFiniteError

PROBABILITY = st.floats(0.0, 1.0)
PAIRS = st.lists(st.tuples(PROBABILITY, st.booleans()), min_size=1, max_size=40)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


# --- intervals --------------------------------------------------------------------------------------------------------


def test_wilson_of_8_in_10() -> None:
    found = wilson(8, 10)
    assert found.value == 0.8
    assert found.low == pytest.approx(0.4901625, abs=1e-6)
    assert found.high == pytest.approx(0.9433178, abs=1e-6)
    z = 1.959963984540054
    centre, spread = (8 + z**2 / 2) / (10 + z**2), z / (10 + z**2) * math.sqrt(8 * 2 / 10 + z**2 / 4)
    assert (found.low, found.high) == pytest.approx((centre - spread, centre + spread))


def test_wilson_at_the_ends_and_of_nothing() -> None:
    assert wilson(0, 5).low == 0.0
    assert wilson(5, 5).high == 1.0
    assert not wilson(0, 0).known


@pytest.mark.parametrize(("successes", "total", "level"), [(3, 2, 0.95), (-1, 2, 0.95), (0, -1, 0.95), (1, 2, 1.0)])
def test_wilson_refuses_nonsense(successes: int, total: int, level: float) -> None:
    with pytest.raises(ConfigError, match="got"):
        wilson(successes, total, level)


def test_mcnemar_of_a_known_table() -> None:
    # 2 * (C(10,0) + C(10,1)) / 2^10
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar(9, 1) == mcnemar(1, 9)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    with pytest.raises(ConfigError, match="-1"):
        mcnemar(-1, 2)


def test_mcnemar_counts_a_case_once_however_many_betas_it_has() -> None:
    first, second = [1, 1, 1] * 6, [0, 0, 1] * 6
    clusters = [i // 3 for i in range(18)]
    assert mcnemar_by_case(first, second, clusters) == mcnemar(6, 0)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_bootstrap_repeats_with_its_generator_and_draws_cases_not_rows() -> None:
    values = [float(i % 2) for i in range(12)]
    cases = list(range(12))
    alone = bootstrap_mean(values, cases, rng())
    assert alone == bootstrap_mean(values, cases, rng())
    # The same cases, each seen ten times, say nothing more.
    often = bootstrap_mean(values * 10, cases * 10, rng())
    assert (often.low, often.high) == pytest.approx((alone.low, alone.high))
    assert bootstrap_mean(values * 10, list(range(120)), rng()).low > alone.low


def test_bootstrap_agrees_with_the_normal_interval_where_that_holds() -> None:
    values = rng().normal(2.0, 1.0, 400)
    found = bootstrap_mean(values, list(range(400)), rng(), resamples=4000)
    half = 1.96 * values.std() / 20.0
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_few_cases_give_no_interval_and_so_a_tie() -> None:
    found = paired_difference([1] * 5, [0] * 5, range(5), rng())
    assert found.value == 1.0 and not found.has_interval and found.tie
    assert not paired_difference([1] * 6, [0] * 6, range(6), rng()).tie


def test_bootstrap_refuses_nonsense() -> None:
    with pytest.raises(NonFiniteError, match="1 values"):
        bootstrap_mean([math.nan], [0], rng())
    with pytest.raises(ConfigError, match="clusters"):
        bootstrap_mean([1.0], [0, 1], rng())
    with pytest.raises(ConfigError, match="resamples"):
        bootstrap_mean([1.0], [0], rng(), resamples=0)
    with pytest.raises(ConfigError, match="as many"):
        paired_difference([1.0], [0.0, 1.0], [0], rng())
    assert not bootstrap_mean([], [], rng()).known


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_contains_the_share(successes: int, extra: int) -> None:
    found = wilson(successes, successes + extra)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0


@settings(max_examples=40)
@given(st.lists(st.floats(-10, 10), min_size=6, max_size=30), st.integers(0, 2**31))
def test_bootstrap_contains_the_mean(values: list[float], seed: int) -> None:
    found = bootstrap_mean(values, range(len(values)), np.random.default_rng(seed), resamples=100)
    assert found.low <= found.value <= found.high


def test_a_tie_is_an_interval_with_zero() -> None:
    assert Estimate(0.1, -0.1, 0.3).tie
    assert not Estimate(0.1, 0.01, 0.3).tie


# --- calibration ------------------------------------------------------------------------------------------------------

P, Y = [0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1]


def test_calibration_by_hand() -> None:
    assert brier(P, Y) == pytest.approx((0.01 + 0.16 + 0.36 + 0.04) / 4)
    # Bins of width 0.1: |0.1 - 0| , |0.4 - 0.5| twice, |0.8 - 1|
    assert ece(P, Y) == pytest.approx((0.1 + 2 * 0.1 + 0.2) / 4)
    # Two bins of equal mass, split at the median 0.4: {0.1} and {0.4, 0.4, 0.8}
    assert ece(P, Y, 2, equal_mass=True) == pytest.approx((0.1 + 3 * abs(1.6 / 3 - 2 / 3)) / 4)
    # Of the four (failure, success) pairs three are in order and one is a tie.
    assert auroc(P, Y) == pytest.approx(3.5 / 4)
    coverage, risk = risk_coverage(P, Y)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0.0, 0.25, 1 / 3, 0.5])
    assert aurc(P, Y) == pytest.approx((0.0 + 0.25 + 1 / 3 + 0.5) / 4)


def test_calibration_counts_only_rows_with_a_probability() -> None:
    found = calibrate([math.nan, 0.25], [1, 0], [1.0, 0.5])
    assert found is not None
    assert (found.n, found.error, found.brier) == (1, 0.25, 0.0625)
    assert math.isnan(found.auroc)
    assert calibrate([math.nan], [1], [1.0]) is None


def test_calibration_refuses_nonsense() -> None:
    for p, y, message in (([1.5], [1], "1.5"), ([0.5], [0.5], "other than"), ([], [], "non-empty"), ([0.5], [], "sha")):
        with pytest.raises(ConfigError, match=message):
            brier(p, y)
    with pytest.raises(ConfigError, match="bins"):
        ece(P, Y, 0)
    with pytest.raises(ConfigError, match="lengths"):
        calibrate([0.5], [1, 0], [0.5])


def test_probability_one_is_in_the_last_bin() -> None:
    (found,) = reliability([1.0, 1.0], [1, 0])
    assert (found.low, found.high, found.count) == (pytest.approx(0.9), 1.0, 2)


@given(PAIRS)
def test_auroc_sees_only_the_order(rows: list[tuple[float, bool]]) -> None:
    p = np.round([row[0] for row in rows], 3)
    y = [row[1] for row in rows]
    np.testing.assert_allclose(auroc(p, y), auroc((p + p**3) / 2.0, y), equal_nan=True)
    np.testing.assert_allclose(auroc(p, y), 1.0 - auroc(1.0 - p, y), equal_nan=True)


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(1, 3)), min_size=1, max_size=10), st.booleans())
def test_ece_of_perfectly_calibrated_bins_is_zero(groups: list[tuple[int, int]], equal_mass: bool) -> None:
    p = [k / 10 for k, times in groups for _ in range(10 * times)]
    y = [int(j < k) for k, times in groups for _ in range(times) for j in range(10)]
    assert ece(p, y, equal_mass=equal_mass) == pytest.approx(0.0, abs=1e-12)


@given(PAIRS, st.randoms(use_true_random=False))
def test_calibration_does_not_depend_on_the_order_of_rows(rows: list[tuple[float, bool]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for figure in (brier, ece, auroc, aurc, lambda p, y: ece(p, y, equal_mass=True)):
        first, second = (figure([r[0] for r in rs], [r[1] for r in rs]) for rs in (rows, shuffled))
        assert first == pytest.approx(second, nan_ok=True)


# --- summaries --------------------------------------------------------------------------------------------------------


def test_episodes_that_broke_are_failures_of_the_method() -> None:
    rows = [make_outcome(case=i) for i in range(3)] + [broken_outcome(s, case=3) for s in ("failed",)]
    found = summarise(rows, "vnb")
    assert found.robust.value == 0.75
    assert found.survival.value == pytest.approx(0.75 * 0.75)
    assert (found.n, found.broken) == (4, 1)
    assert found.failure_modes == {"none": 3, "failed": 1}
    assert found.calibration is not None and found.calibration.n == 3
    # A row that claims success but did not end properly is none either.
    assert not of.robust(make_outcome(status="hung"))


def test_summary_of_failures_only_has_no_invented_figures() -> None:
    found = summarise([broken_outcome(case=i) for i in range(2)], "vnb")
    assert found.robust.value == 0.0 and found.calibration is None
    assert math.isnan(found.peak_force) and math.isnan(found.seconds) and math.isnan(found.planning_p50)


def test_several_betas_of_a_case_count_once() -> None:
    one = [make_outcome(i % 2 == 0, case=i) for i in range(10)]
    three = [make_outcome(i % 2 == 0, case=i, beta=b) for i in range(10) for b in (0.5, 0.9, 0.95)]
    assert summarise(three, "vnb").robust == summarise(one, "vnb").robust
    assert summarise(three, "vnb").n == 30


def test_a_method_without_beta_counts_for_every_beta() -> None:
    plain = [make_outcome(case=i, method="scripted", beta=math.nan) for i in range(2)]
    risky = [make_outcome(case=i, beta=b) for i in range(3) for b in (0.5, 0.9)]
    assert [(a.case, a.beta) for a, _ in of.pairs(risky, plain)] == [(0, 0.5), (0, 0.9), (1, 0.5), (1, 0.9)]
    assert [(b.case, b.beta) for _, b in of.pairs(plain, risky)] == [(0, 0.5), (0, 0.9), (1, 0.5), (1, 0.9)]
    assert len(of.pairs(plain, plain)) == 2
    assert len(of.pairs(risky, risky)) == 6


def test_friction_regimes_of_a_seed_count_once() -> None:
    one = [make_outcome(i % 2 == 0, case=i) for i in range(10)]
    regimes = [replace(row, case=row.case + 10 * k) for row in one for k in range(3)]
    found = summarise(regimes, "vnb")
    assert found.robust == summarise(one, "vnb").robust
    assert (found.n, found.cases) == (30, 30)


def test_a_streak_of_four_among_many_is_a_tie() -> None:
    good = [make_outcome(case=i) for i in range(40)]
    other = [make_outcome(i >= 4, case=i, method="cem") for i in range(40)]
    found = compare(good + other, "vnb", "cem")
    assert not found.robust.tie and found.p == pytest.approx(0.125)
    assert found.verdict == "tie"


def test_decision_times_are_of_all_decisions() -> None:
    rows = [make_outcome(case=0, planning_series=(0.1,) * 99), make_outcome(case=1, planning_series=(0.9,))]
    found = summarise(rows, "vnb")
    assert found.planning_p50 == pytest.approx(0.1)
    assert 0.1 < found.planning_p99 < 0.9


def test_comparison_says_who_is_better_or_that_it_is_a_tie() -> None:
    good = [make_outcome(case=i) for i in range(10)]
    bad = [make_outcome(False, case=i, method="cem") for i in range(10)]
    found = compare(good + bad, "vnb", "cem")
    assert found.verdict == "vnb is better" and found.p == pytest.approx(2 / 2**10)
    assert compare(good + bad, "cem", "vnb").verdict == "vnb is better"
    assert compare(good, "vnb", "vnb").verdict == "tie"
    assert compare(good, "vnb", "pf").cases == 0


def test_comparisons_cover_regimes_and_are_corrected_for_their_number() -> None:
    found = comparisons(make_run())
    assert [(c.group, c.other) for c in found] == [
        (group, other) for group in ("all", "nominal", "wide", "bimodal") for other in ("cem", "scripted")
    ]
    assert all(c.p_holm >= c.p for c in found)
    assert {(c.reference, c.other) for c in comparisons(make_run(("scripted", "cem", "oracle")))} == {
        ("cem", "scripted"),
        ("cem", "oracle"),
    }
    assert comparisons(make_run(("oracle",))) == []
    assert {c.group for c in comparisons(make_run(regimes=("wide",)))} == {"all"}


def test_gap_to_the_oracle_is_paired() -> None:
    rows = [make_outcome(i < 4, case=i) for i in range(8)]
    rows += [make_outcome(case=i, method="oracle", beta=math.nan) for i in range(8)]
    found = {s.method: s for s in summaries(rows)}
    assert found["vnb"].gap.value == 0.5 and not found["vnb"].gap.tie
    assert not found["oracle"].gap.known


def test_tables_leave_out_sweeps_and_other_splits_unless_all_are_of_those() -> None:
    test, sweep = make_outcome(case=0), make_outcome(case=1, sweep="friction")
    calibration = make_outcome(case=2, split="calibration")
    assert of.counted([test, sweep, calibration]) == [test]
    assert of.counted([sweep, calibration]) == [calibration]
    assert of.counted([sweep]) == []
    assert of.counted([calibration]) == [calibration]
    assert of.counted([]) == []


def test_sweep_tells_a_clear_reversal_from_chance() -> None:
    def at(level: float, successes: int, sweep: str) -> list[Outcome]:
        first = int(1000 * level)
        return [make_outcome(i < successes, case=first + i, sweep=sweep, level=level) for i in range(20)]

    (curve,) = sweep_curves(at(0.2, 1, "friction") + at(0.5, 10, "friction") + at(1.0, 9, "friction"))
    assert [p.robust.value for p in curve.points] == [0.05, 0.5, 0.45]
    assert (curve.trend, curve.reversals, curve.clear_reversals) == ("rises", 1, 0)
    (curve,) = sweep_curves(at(1.0, 1, "mass") + at(2.0, 19, "mass"))
    assert (curve.direction, curve.reversals, curve.clear_reversals) == (-1, 1, 1)
    assert sweep_curves([make_outcome()]) == []


def test_quality_curve_holds_the_last_value() -> None:
    rows = [make_outcome(epsilon_series=(0.0, 0.2)), make_outcome(epsilon_series=(0.0, 0.0, 0.0, 0.4))]
    found = quality_curve(rows)
    assert found is not None
    assert found.mean.tolist() == pytest.approx([0.0, 0.1, 0.1, 0.3])
    assert (found.first, found.end, found.episodes) == (2.0, 2.0, 2)
    assert quality_curve([make_outcome(epsilon_series=())]) is None
    never = quality_curve([make_outcome(epsilon_series=(0.0, 0.0))])
    assert never is not None and never.first is None
