"""When closing is over: quality, no improvement, step limit, and the probe before it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from vnb_belief.friction import believed_friction
from vnb_belief.layout import OBS_POSE, OBSERVATION_DIM
from vnb_belief.touch import FrictionReading
from vnb_grasp.errors import ConfigError
from vnb_grasp.frames.se3 import exp_so3, log_so3
from vnb_planner.failure import EVIDENCE, TOUCH, FailureCalibration, Promise
from vnb_planner.planners.closing import Closing, ClosingConfig, Conclusion, HoldFigures, _motion
from vnb_planner.planners.interface import PlanInput
from vnb_planner.testing import make_mixture, tiny_ball

SURE = HoldFigures(0.05, 0.2, 0.3, 256)
DOUBTFUL = HoldFigures(0.9, 0.8, 0.9, 256)
CONFIG = ClosingConfig(max_steps=40, settle_steps=5, probe=True, probe_steps=3, probe_rest=2)


def given(step: int, quality: float = 0.0, contacts: int = 3, promise: Promise | None = None) -> PlanInput:
    zeros = torch.zeros(6, dtype=torch.float64)
    contact = torch.arange(5) < contacts
    return PlanInput(
        belief=make_mixture((0.4,)),
        observation=torch.zeros(OBSERVATION_DIM, dtype=torch.float64),
        T_hand_object=torch.eye(4, dtype=torch.float64),
        force=2.0 * contact.double(),
        contact=contact,
        epsilon_hat=quality,
        q_cmd=zeros,
        q=torch.zeros(11, dtype=torch.float64),
        step=step,
        seed=0,
        promise=promise,
    )


def run(closing: Closing, hold: HoldFigures, first: int = 0, quality: float = 0.0) -> list[Conclusion]:
    """Return the conclusions until closing is over."""
    found = []
    for step in range(first, 200):
        found.append(closing.conclude(given(step, quality), hold))
        if found[-1].stop_reason:
            return found
    raise AssertionError("closing never ended")


def test_a_good_grasp_is_over_once_it_is_closed_and_without_a_probe() -> None:
    found = run(Closing(tiny_ball(), replace(CONFIG, quality_steps=2), None), SURE, quality=0.06)
    assert [c.stop_reason for c in found] == ["", "", "quality"]
    assert all(c.lift_speed == 0.0 for c in found)
    at_once = run(Closing(tiny_ball(), replace(CONFIG, quality_steps=0), None), SURE, quality=0.06)
    assert [c.stop_reason for c in at_once] == ["quality"]


def test_quality_alone_is_not_enough() -> None:
    found = run(Closing(tiny_ball(), CONFIG, None), DOUBTFUL, quality=0.06)
    assert found[-1].stop_reason == "settled"


def test_without_improvement_closing_is_over_and_doubt_is_probed() -> None:
    found = run(Closing(tiny_ball(), CONFIG, None), DOUBTFUL)
    lifts = [c.lift_speed for c in found]
    assert lifts == [0.0] * 5 + [0.015] * 3 + [0.0] * 3
    assert [c.hold for c in found] == [False] * 5 + [True] * 6
    assert found[-1].stop_reason == "settled"


def test_improvement_keeps_closing_going_until_the_limit_and_the_probe_ends_by_then() -> None:
    closing = Closing(tiny_ball(), CONFIG, None)
    for step in range(100):
        last = closing.conclude(given(step), replace(DOUBTFUL, expected_cost=5.0 - 0.1 * step))
        if last.stop_reason:
            break
    assert (last.stop_reason, step) == ("step_limit", CONFIG.max_steps)
    assert last.hold


@pytest.mark.parametrize(("hold", "probe"), [(SURE, True), (DOUBTFUL, False)])
def test_no_probe_without_doubt_or_when_switched_off(hold: HoldFigures, probe: bool) -> None:
    found = run(Closing(tiny_ball(), replace(CONFIG, probe=probe), None), hold)
    assert all(c.lift_speed == 0.0 for c in found)
    assert found[-1].stop_reason == "settled"


def test_nothing_in_the_hand_is_not_probed() -> None:
    closing = Closing(tiny_ball(), CONFIG, None)
    found = [closing.conclude(given(step, contacts=0), DOUBTFUL) for step in range(41)]
    assert found[-1].stop_reason == "step_limit"
    assert all(c.lift_speed == 0.0 for c in found)


def test_an_earlier_step_begins_a_new_closing() -> None:
    closing = Closing(tiny_ball(), CONFIG, None)
    first = run(closing, DOUBTFUL)
    assert run(closing, DOUBTFUL) == first
    assert len(first) == 11


def test_a_calibration_replaces_the_raw_probability() -> None:
    size = len(EVIDENCE)
    calibration = FailureCalibration(math.log(3.0), (0.0,) * size, (0.0,) * size)
    promise = Promise((0.4,), (0.5,))
    closing = Closing(tiny_ball(), CONFIG, calibration)
    found = closing.conclude(given(0, promise=promise), SURE)
    assert found.p_fail == pytest.approx(0.75)
    assert tuple(found.evidence) == EVIDENCE
    raw = Closing(tiny_ball(), CONFIG, None).conclude(given(0, promise=promise), SURE)
    assert raw.p_fail == SURE.p_fail
    assert raw.evidence == found.evidence
    assert closing.conclude(given(1), SURE).p_fail == SURE.p_fail  # without a promise there is nothing to go by


def test_friction_is_read_from_touch_once_closing_is_over_and_not_before() -> None:
    reading = FrictionReading(0.0, 1.0, 0.1, (0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0))  # of grip alone
    known, unknown = (Promise((0.2, 0.6), (0.1, 0.9), touch) for touch in (reading, None))
    closings = [Closing(tiny_ball(), replace(CONFIG, probe=False), None) for _ in range(2)]
    for step in range(6):
        read, plain = (
            closing.conclude(given(step, promise=promise), DOUBTFUL)
            for closing, promise in zip(closings, (known, unknown), strict=True)
        )
        assert (read.evidence == plain.evidence) is not bool(read.stop_reason)
    assert read.stop_reason == plain.stop_reason == "settled"
    belief = given(5).belief
    assert belief is not None
    nodes, weights = believed_friction(reading.update(belief, tuple(plain.evidence[name] for name in TOUCH)))
    mean = float(weights @ nodes.log())
    assert read.friction == pytest.approx((mean, float(weights @ (nodes.log() - mean) ** 2) ** 0.5), rel=1e-6)
    assert read.friction != pytest.approx(plain.friction, rel=1e-3)
    assert read.evidence["promise"] > plain.evidence["promise"]  # slippery: it is likelier to fail
    assert {name: read.evidence[name] for name in TOUCH} == {name: plain.evidence[name] for name in TOUCH}


def test_motion_is_the_twist_between_two_poses() -> None:
    first = torch.tensor([0.1, 0.0, 0.0, 0.3, -0.2, 0.5], dtype=torch.float64)
    twist = torch.tensor([0.01, 0.02, -0.01, 0.1, 0.2, -0.05], dtype=torch.float64)
    now = torch.cat((first[:3] + twist[:3], log_so3(exp_so3(twist[3:]) @ exp_so3(first[3:]))))
    assert_close(_motion(first, now), twist)
    assert OBS_POSE.stop - OBS_POSE.start == 6


@pytest.mark.parametrize("values", [{"delta": 1.5}, {"probe_speed": 1.0}, {"settle_steps": 0}, {"probe_rest": -1}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        ClosingConfig(**values)  # type: ignore[arg-type]
