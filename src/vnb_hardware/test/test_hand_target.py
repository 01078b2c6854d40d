"""Targets: what is integrated is what was commanded, and limits hold whatever comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vnb_grasp.description import load_hand
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_hardware.hand.joints import load_table
from vnb_hardware.hand.settings import HandSettings
from vnb_hardware.hand.target import TargetServo, contact_of

NONE = np.zeros(5, dtype=bool)
START = np.full(6, 0.3)
LIMIT = np.array([joint.speed_limit for joint in load_hand("l6_v31").actuated]) * 0.4


def servo(**options: object) -> TargetServo:
    table = load_table("l6_v31")
    made = TargetServo(load_hand("l6_v31"), table, HandSettings(**options))  # type: ignore[arg-type]
    made.rest(START, 0.0)
    return made


def test_a_command_moves_for_one_horizon() -> None:
    made = servo()
    made.set_velocity(np.full(6, 0.5), None, 0.0)
    for k in range(1, 20):
        made.advance(made.target.copy(), NONE, 0.013 * k)
    assert_allclose(made.target, START + 0.5 * 0.04, atol=1e-12)


def test_a_stream_of_commands_is_integrated_without_gaps() -> None:
    made = servo()
    for k in range(10):
        made.advance(made.target.copy(), NONE, 0.04 * k)
        made.set_velocity(np.full(6, 0.5), None, 0.04 * k)
        made.advance(made.target.copy(), NONE, 0.04 * k + 0.02)
    made.advance(made.target.copy(), NONE, 0.4)
    assert_allclose(made.target, START + 0.5 * 0.4, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-50, 50), min_size=6, max_size=6),
            st.lists(st.floats(-0.5, 2.0), min_size=6, max_size=6),
            st.floats(0.001, 0.2),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_targets_stay_in_range_and_slow(story: list[tuple[list[float], list[float], float]]) -> None:
    made = servo()
    table = load_table("l6_v31")
    now = 0.0
    for velocity, measured, wait in story:
        q = np.clip(measured, table.open, table.closed)
        sent = made.set_velocity(np.array(velocity), None, now)
        assert (np.abs(sent) <= LIMIT + 1e-12).all()
        now += wait
        before = made.target
        target = made.advance(q, NONE, now)
        assert (target >= table.open - 1e-12).all() and (target <= table.closed + 1e-12).all()
        assert (np.abs(target - before) <= LIMIT * min(wait, 0.04) + table.resolution + 1e-12).all()


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_targets_stay_near_fingers_that_do_not_follow(way: float) -> None:
    made = servo()
    for k in range(100):
        made.set_velocity(np.full(6, way * 50), None, 0.02 * k)
        made.advance(START, NONE, 0.02 * k + 0.02)
        assert (np.abs(made.target - START) <= made.lead + 1e-12).all()


def test_a_wrong_angle_moves_the_targets_by_no_more_than_a_step_and_a_hold_by_no_more_than_the_lead() -> None:
    made, closed = servo(), load_table("l6_v31").closed
    made.advance(START, NONE, 0.02)
    made.advance(closed, NONE, 0.04)
    assert (made.target - START <= LIMIT * 0.02 + made._count + 1e-12).all()
    for act in (lambda: made.freeze(closed, NONE, 0.06), lambda: made.stiffen(closed)):
        made.rest(START, 0.06)
        lead = made.lead
        act()
        assert (made.target - START <= lead + 1e-12).all()


def test_torque_never_exceeds_the_drivers_limit() -> None:
    made = servo(torque=0.5)
    made.set_velocity(np.zeros(6), np.full(6, 100.0), 0.0)
    assert_allclose(made.torque, made.full_torque * 0.5)
    made.set_velocity(np.zeros(6), np.full(6, 0.1), 0.0)
    assert_allclose(made.torque, 0.1)
    made.set_velocity(np.zeros(6), None, 0.0)
    assert_allclose(made.torque, 0.1)


def test_contact_gate_stops_closing_only_and_only_there() -> None:
    made = servo(contact_gated=True)
    touching = np.array([True, False, True, False, False])  # thumb and middle
    made.set_velocity(np.full(6, 0.5), None, 0.0)
    made.advance(START, touching, 0.04)
    assert_allclose(made.target - START, [0, 0, 0.02, 0, 0.02, 0.02], atol=1e-12)
    made.set_velocity(np.full(6, -0.5), None, 0.04)
    made.advance(START, touching, 0.08)
    assert_allclose(made.target - START, [-0.02, -0.02, 0, -0.02, 0, 0], atol=1e-12)


def test_freeze_keeps_the_squeeze_of_fingers_in_contact() -> None:
    made = servo()
    made.target = START + 0.03
    made.freeze(START, np.array([False, True, False, False, False]), 1.0)
    assert_allclose(made.target - START, [0, 0, 0.03, 0, 0, 0], atol=1e-12)
    made.target = START + 0.03
    made.freeze(None, NONE, 1.0)
    assert_allclose(made.target - START, 0.03)


def test_a_line_takes_as_long_as_the_speed_limit_asks() -> None:
    made = servo()
    goal = np.full(6, 0.8)
    made.follow(goal, 1e-6, 0.0)
    line = made.line
    assert line is not None
    assert_allclose(line.end, (0.5 / (np.array([j.speed_limit for j in load_hand("l6_v31").actuated]) * 0.4)).max())
    assert_allclose(line.at(line.begin), START)
    assert_allclose(line.at(line.end + 1), goal)


def test_a_line_waits_for_fingers_that_do_not_follow() -> None:
    made = servo()
    made.follow(np.full(6, 0.8), 1.0, 0.0)
    for k in range(200):
        made.advance(START, NONE, 0.02 * k)
    assert_allclose(made.target, START + made.lead)
    assert made.behind(START).all()
    assert not made.behind(made.target).any()


@pytest.mark.parametrize(
    ("velocity", "torque", "error"),
    [
        (np.zeros(5), None, ShapeError),
        (np.full(6, np.nan), None, NonFiniteError),
        (np.zeros(6), np.full(6, np.inf), NonFiniteError),
        (np.zeros(6), np.zeros(6), ConfigError),
    ],
)
def test_bad_commands_change_nothing(velocity: np.ndarray, torque: np.ndarray | None, error: type[Exception]) -> None:
    made = servo()
    with pytest.raises(error):
        made.set_velocity(velocity, torque, 0.0)
    assert_allclose(made.advance(START, NONE, 1.0), START)
    assert_allclose(made.torque, made.most_torque)


def test_goals_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected angles"):
        servo().follow(np.full(6, 3.0), 1.0, 0.0)
    for duration in (0.0, 61.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="duration"):
            servo().follow(START, duration, 0.0)


def test_contact_threshold() -> None:
    assert contact_of(np.array([299, 300, 301, 0, 18360]), 300).tolist() == [False, True, True, False, True]
    with pytest.raises(ShapeError):
        contact_of(np.zeros(4, dtype=np.int64), 300)


@pytest.mark.parametrize(
    "bad",
    [
        {"side": "both"},
        {"tactile_assembly": "half"},
        {"speed": 0.0},
        {"torque": 1.5},
        {"tactile_spacing": 0.02},
        {"silence": 0.05},
        {"tactile_silence": 0.05},
        {"horizon": float("nan")},
        {"command_period": 0.0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        HandSettings(**bad)  # type: ignore[arg-type]


def test_stiffening_keeps_the_torque() -> None:
    made = servo()
    made.set_velocity(np.zeros(6), np.full(6, 0.2), 0.0)
    made.target = START + 0.03
    made.stiffen(START)
    assert_allclose(made.target, START + 0.2 / 20.0)
    assert_allclose(made.torque, made.most_torque)
