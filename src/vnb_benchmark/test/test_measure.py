"""What is kept of an episode: nothing that the statistics could not read later."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from vnb_benchmark.running.measure import StepFacts, TrialFacts, VerdictFacts, failed_outcome, outcome_of_facts
from vnb_benchmark.scenarios.case import Case
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError, VnbError
from vnb_sim_bridge.scenario import draw_scenario

CASE = Case(0, "test", draw_scenario("cube", "nominal", 3))
STEP = StepFacts(
    step=0,
    force=(0.0,) * 5,
    contact=(False,) * 5,
    epsilon_hat=0.0,
    epsilon_true=0.0,
    force_true=(0.0,) * 5,
    object_position=(0.0,) * 3,
    logits=(),
    means=(),
    log_stds=(),
    action=(0.0,) * 6,
    p_fail=0.5,
    planning_time=0.03,
)
VERDICT = VerdictFacts(True, 0.05, True, False, "10", (0.0, 0.1), 3.0, 0.001, math.nan, "none")


def outcome(*steps: StepFacts) -> object:
    return outcome_of_facts(CASE, "mine", math.nan, TrialFacts(0, "quality", steps, VERDICT), 2.0)


def test_every_decision_keeps_its_time_and_the_last_one_its_probability() -> None:
    found = outcome_of_facts(
        CASE,
        "mine",
        math.nan,
        TrialFacts(0, "quality", (STEP, replace(STEP, p_fail=0.25, planning_time=0.05)), VERDICT),
        2.0,
    )
    assert found.planning_series == (0.03, 0.05)
    assert (found.p_fail, found.p_fail_series) == (0.25, (0.5, 0.25))
    assert (found.survived, found.tests, found.wall_time) == (1, 2, 2.0)


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (replace(STEP, p_fail=1.0000002), ConfigError, "mine on case 0, step 0: got failure probability 1.0000002"),
        (replace(STEP, p_fail=-0.1), ConfigError, "expected 0 to 1"),
        (replace(STEP, p_fail=math.inf), ConfigError, "expected 0 to 1"),
        (replace(STEP, action=(0.0,) * 5), ShapeError, "got 5 velocities, expected 6"),
        (replace(STEP, action=(math.nan,) * 6), NonFiniteError, "finite"),
    ],
)
def test_what_no_report_could_read_is_a_failed_episode(step: StepFacts, error: type[VnbError], words: str) -> None:
    with pytest.raises(error, match=words):
        outcome(STEP, step)


def test_a_text_that_no_store_holds_is_kept_without_what_it_cannot_hold() -> None:
    found = failed_outcome(CASE, "mine", math.nan, "failed", "no file \udcff", 1.0)
    assert found.error == "no file ?"
