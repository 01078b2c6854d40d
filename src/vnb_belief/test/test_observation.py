from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vnb_belief import layout
from vnb_belief.observation import make_observation, pose_trace
from vnb_belief.prior import PriorConfig, stated_accuracy
from vnb_grasp.errors import NonFiniteError
from vnb_grasp.frames.se3 import exp_so3

UNIFORM = math.pi**2 / 3


def diagonal(position: float, *rotation: float) -> torch.Tensor:
    return torch.diag(torch.tensor([position**2] * 3 + [angle**2 for angle in rotation], dtype=torch.float64))


def observed(covariance: torch.Tensor) -> torch.Tensor:
    return make_observation(
        T_world_hand=torch.eye(4),
        T_world_object=torch.eye(4),
        pose_covariance=covariance,
        force=torch.zeros(5),
        contact=torch.zeros(5, dtype=torch.bool),
        joint_position=torch.zeros(11),
        joint_velocity=torch.zeros(11),
        occlusion=0.0,
        segmentation=1.0,
    ).vector


def test_of_a_pose_sensor_it_is_the_trace_to_the_last_bit() -> None:
    for position in (0.0015, 0.0025, 0.0137):
        covariance = diagonal(position, *[10 * position] * 3)
        assert pose_trace(covariance).item() == covariance.trace().item()
        assert observed(covariance)[layout.OBS_TRACE].item() == covariance.trace().item()


@settings(deadline=None)
@given(st.tuples(*[st.floats(-3.0, 3.0)] * 3), st.floats(0.0005, 0.01))
def test_a_free_turn_counts_for_nothing_about_any_axis(turn: tuple[float, ...], position: float) -> None:
    rotation = exp_so3(torch.tensor(turn, dtype=torch.float64))
    covariance = diagonal(position, 10 * position, 10 * position, math.sqrt(0.46 * UNIFORM))
    both = torch.block_diag(rotation, rotation)
    got = pose_trace(both @ covariance @ both.T)
    torch.testing.assert_close(got, torch.tensor(3 * max(position, 0.0025) ** 2 * 101, dtype=torch.float64))


def test_a_ball_is_as_well_known_as_its_place() -> None:
    covariance = diagonal(0.0025, *[math.sqrt(UNIFORM)] * 3)
    vector = observed(covariance)
    torch.testing.assert_close(stated_accuracy(vector), torch.tensor(1.0, dtype=torch.float64))


def test_neither_error_is_taken_for_less_than_it_is() -> None:
    usual = PriorConfig()
    for position, rotation in ((0.005, 0.004), (0.0004, 0.1)):
        accuracy = stated_accuracy(observed(diagonal(position, *[rotation] * 3))).item()
        assert accuracy * usual.position_std >= position - 1e-12
        assert accuracy * usual.rotation_std >= rotation - 1e-12
        # ... and one of them is met.
        assert min(accuracy * usual.position_std - position, accuracy * usual.rotation_std - rotation) < 1e-9


def test_a_covariance_that_is_not_finite_is_refused() -> None:
    with pytest.raises(NonFiniteError):
        pose_trace(torch.full((6, 6), float("nan")))
