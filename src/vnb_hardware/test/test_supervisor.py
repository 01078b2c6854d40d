"""The supervisor: who must be alive, when, and what it takes to move again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_hardware.safety.supervisor import Supervisor


def alive(now: float = 0.0, recovery: float = 0.5) -> Supervisor:
    made = Supervisor({"hand": 0.3, "arm": 0.3}, {"planner": 2.0}, recovery=recovery)
    made.beat("hand", now)
    made.beat("arm", now)
    return made


def test_it_holds_until_all_were_heard_and_well_for_a_while() -> None:
    made = Supervisor({"hand": 0.3, "arm": 0.3})
    assert made.check(0.0).reasons == ("waiting for arm", "waiting for hand")
    made.beat("hand", 0.1)
    assert made.check(0.1).reasons == ("waiting for arm",)
    for k in range(10):
        made.beat("arm", 0.1 + 0.1 * k)
        made.beat("hand", 0.1 + 0.1 * k)
        assert made.check(0.1 + 0.1 * k).hold == (0.1 * k < 0.5 - 1e-9)


def test_a_missed_deadline_holds() -> None:
    made = alive(recovery=0.0)
    assert not made.check(0.2).hold
    assert made.check(0.35).reasons[0].startswith("arm is silent for 0.35 s, its deadline is 0.3 s")
    made.beat("arm", 0.36)
    assert [reason.partition(" ")[0] for reason in made.check(0.36).reasons] == ["hand"]


def test_working_deadlines_count_only_while_working() -> None:
    made = alive(recovery=0.0)
    for k in range(60):
        now = 0.1 * k
        made.beat("hand", now)
        made.beat("arm", now)
        if k == 10:
            made.work(True, now)
        assert made.check(now).hold == (now > 1.0 + 2.0 + 1e-9)
    made.work(False, 5.9)
    assert not made.check(5.9).hold


def test_emergency_stop_is_latched() -> None:
    made = alive(recovery=0.0)
    made.press("button")
    made.press("service")
    assert made.pressed
    assert made.check(0.1).reasons == ("emergency stop: button",)
    made.unpress()
    assert not made.check(0.1).hold


def test_a_faulty_device_holds_the_others() -> None:
    made = alive(recovery=0.0)
    made.fault("hand", "overcurrent")
    assert made.check(0.1).reasons == ("hand: overcurrent",)
    made.fault("hand", "")
    assert not made.check(0.1).hold


@given(st.lists(st.tuples(st.sampled_from(["hand", "arm"]), st.floats(0.01, 0.5)), max_size=30))
def test_it_never_lets_move_while_anyone_is_silent(story: list[tuple[str, float]]) -> None:
    made = Supervisor({"hand": 0.3, "arm": 0.3}, recovery=0.2)
    now, heard = 0.0, {}
    for name, wait in story:
        now += wait
        made.beat(name, now)
        heard[name] = now
        silent = [n for n in ("hand", "arm") if n not in heard or now - heard[n] > 0.3]
        if silent:
            assert made.check(now).hold


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="deadline of hand"):
        Supervisor({"hand": 0.0})
    with pytest.raises(UnknownNameError):
        alive().beat("camera", 0.0)
