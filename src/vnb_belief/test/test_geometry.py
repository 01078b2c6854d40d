import pytest
import torch
from torch.testing import assert_close

from vnb_belief.geometry import GraspGeometry
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.frames.se3 import exp_so3, make_transform, retract

BALL = load_object("tennis_ball")
HAND = load_hand("l6_v31")
Q = torch.full((11,), 0.3, dtype=torch.float64)


@pytest.fixture(scope="module")
def geometry() -> GraspGeometry:
    return GraspGeometry(HAND, BALL)


def poses(n: int = 4) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    w, p = (torch.randn(n, 3, generator=g, dtype=torch.float64) for _ in range(2))
    return make_transform(exp_so3(w), 0.1 * p)


def test_gap_to_a_ball_is_the_distance_of_spheres(geometry: GraspGeometry) -> None:
    T, tips = poses(), geometry.fingertips(Q)
    gap, normal = geometry.gaps(T, tips)
    radius = torch.tensor([pad.radius for pad in HAND.pads]).double()
    between = tips.centres - T[:, None, :3, 3]
    assert_close(gap, between.norm(dim=-1) - BALL.geoms[0].size[0] - radius)
    outward = (T[:, None, :3, :3] @ normal[..., None])[..., 0]
    assert_close(outward, between / between.norm(dim=-1, keepdim=True))


def test_fingertip_centres_lie_behind_the_pads(geometry: GraspGeometry) -> None:
    tips = geometry.fingertips(Q)
    radius = torch.tensor([pad.radius for pad in HAND.pads]).double()
    assert_close((tips.frames[:, :3, 3] - tips.centres).norm(dim=-1), radius)


def test_a_turning_ball_slips_at_its_surface(geometry: GraspGeometry) -> None:
    T, tips, period = poses(1), geometry.fingertips(Q), 0.04
    turn = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 1e-4], dtype=torch.float64)
    speed = geometry.slip_speed(T, tips, retract(T, turn), tips, period)
    outward = tips.centres - T[:, :3, 3]
    radius = torch.tensor([pad.radius for pad in HAND.pads]).double()
    arm = outward * (1.0 - radius / outward.norm(dim=-1))[:, None]  # contact point from the centre
    moved = torch.linalg.cross(turn[3:].expand_as(arm), arm)
    assert_close(speed[0], moved.norm(dim=-1) / period, rtol=1e-3, atol=1e-9)


def test_what_moves_with_the_finger_does_not_slip(geometry: GraspGeometry) -> None:
    T, then, now = poses(1), geometry.fingertips(Q), geometry.fingertips(Q + 0.05)
    index = 1
    moved = now.frames[index] @ torch.linalg.inv(then.frames[index]) @ T
    assert float(geometry.slip_speed(T, then, moved, now, 0.04)[0, index]) == pytest.approx(0.0, abs=1e-9)
    assert float(geometry.slip_speed(T, then, moved, now, 0.04)[0, 0]) > 1e-3
    assert_close(geometry.slip_speed(T, then, T, then, 0.04), torch.zeros(1, 5).double(), rtol=0.0, atol=1e-12)


def test_pressing_is_no_slip(geometry: GraspGeometry) -> None:
    T, tips = poses(1), geometry.fingertips(Q)
    outward = tips.centres[2] - T[0, :3, 3]
    press = torch.cat((1e-3 * outward / outward.norm(), torch.zeros(3).double()))
    assert float(geometry.slip_speed(T, tips, retract(T, press), tips, 0.04)[0, 2]) == pytest.approx(0.0, abs=1e-9)
