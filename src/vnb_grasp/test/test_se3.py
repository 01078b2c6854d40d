"""Tests of rotations and rigid transforms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from transforms3d import euler, quaternions

from vnb_grasp.errors import ShapeError
from vnb_grasp.frames import se3

torch.set_num_threads(1)
D = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_transform(seed: int, shape: tuple[int, ...] = ()) -> torch.Tensor:
    g = generator(seed)
    return se3.make_transform(se3.random_rotation(g, shape), torch.randn(*shape, 3, generator=g, dtype=D))


def unit(*xyz: float) -> torch.Tensor:
    v = torch.tensor(xyz, dtype=D)
    return v / v.norm()


AXES = [unit(1, 0, 0), unit(0, -1, 0), unit(0, 0, 1), unit(1, 2, -3), unit(-1, 1e-6, 0), unit(-0.3, -0.3, -0.9)]
ANGLES = [0.0, 1e-12, 1e-8, 1e-5, 9.9e-3, 1.01e-2, 0.1, 1.0, 2.0, 3.0, math.pi - 1e-4, math.pi - 1e-8, math.pi - 1e-12]


def test_hat_is_the_cross_product() -> None:
    a, b = torch.randn(2, 7, 3, generator=generator(), dtype=D)
    assert_close((se3.hat(a) @ b[..., None])[..., 0], torch.linalg.cross(a, b))


def test_exp_quarter_turn_about_z() -> None:
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=D)
    assert_close(se3.exp_so3(torch.tensor([0, 0, math.pi / 2], dtype=D)), expected)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("angle", ANGLES)
def test_log_inverts_exp(axis: torch.Tensor, angle: float) -> None:
    w = angle * axis
    assert_close(se3.log_so3(se3.exp_so3(w)), w, rtol=1e-9, atol=1e-15 if angle < 1e-7 else 1e-11)


@pytest.mark.parametrize("axis", AXES)
def test_log_at_pi_has_length_pi_and_the_axis_up_to_sign(axis: torch.Tensor) -> None:
    w = se3.log_so3(2 * torch.outer(axis, axis) - torch.eye(3, dtype=D))
    assert_close(w.norm(), torch.tensor(math.pi, dtype=D))
    assert_close(torch.linalg.cross(w, axis), torch.zeros(3, dtype=D), atol=1e-12, rtol=0)


def test_exp_agrees_with_the_matrix_exponential() -> None:
    w = 2 * torch.randn(50, 3, generator=generator(), dtype=D)
    assert_close(se3.exp_so3(w), torch.linalg.matrix_exp(se3.hat(w)))
    tiny = 5e-3 * unit(1, 2, 3)
    assert_close(se3.exp_so3(tiny), torch.linalg.matrix_exp(se3.hat(tiny)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_rotations_are_proper(dtype: torch.dtype) -> None:
    rotation = se3.exp_so3(torch.randn(100, 3, generator=generator(), dtype=dtype))
    assert rotation.dtype == dtype
    assert_close(rotation @ rotation.mT, torch.eye(3, dtype=dtype).expand(100, 3, 3), atol=1e-6, rtol=0)
    assert_close(torch.linalg.det(rotation), torch.ones(100, dtype=dtype))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_group_axioms(seed: int) -> None:
    a, b, c = random_transform(seed, (3,)).unbind(0)
    eye = torch.eye(4, dtype=D)
    assert_close(a @ se3.invert(a), eye)
    assert_close(se3.invert(a) @ a, eye)
    assert_close(se3.invert(a @ b), se3.invert(b) @ se3.invert(a))
    points = torch.randn(5, 3, generator=generator(seed), dtype=D)
    assert_close(se3.transform_points(a @ b @ c, points), se3.transform_points(a, se3.transform_points(b @ c, points)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1e-10, 1e-3, 1.0, 3.1]))
def test_local_inverts_retract(seed: int, angle: float) -> None:
    pose = random_transform(seed, (4,))
    g = generator(seed + 1)
    w = torch.randn(4, 3, generator=g, dtype=D)
    xi = torch.cat((torch.randn(4, 3, generator=g, dtype=D), angle * w / w.norm(dim=-1, keepdim=True)), -1)
    assert_close(se3.local(pose, se3.retract(pose, xi)), xi, rtol=1e-9, atol=1e-12)
    other = random_transform(seed + 2, (4,))
    assert_close(se3.retract(pose, se3.local(pose, other)), other, rtol=1e-9, atol=1e-9)


def test_retract_turns_in_the_axes_of_the_target_and_keeps_the_position() -> None:
    pose = se3.make_transform(
        se3.rpy_to_matrix(torch.tensor([math.pi / 2, 0, 0], dtype=D)), torch.tensor([1.0, 2, 3], dtype=D)
    )
    moved = se3.retract(pose, torch.tensor([0.1, 0, 0, 0, 0, math.pi / 2], dtype=D))
    assert_close(moved[:3, 3], torch.tensor([1.1, 2, 3], dtype=D))
    # The source x axis pointed along target x; a left rotation about target z takes it to target y.
    assert_close(moved[:3, 0], torch.tensor([0.0, 1, 0], dtype=D))


def test_points_are_moved_and_vectors_only_turned() -> None:
    pose = random_transform(3, (2, 1))
    points = torch.randn(2, 5, 6, 3, generator=generator(), dtype=D)
    expected = torch.einsum("abij,abnj->abni", pose[..., :3, :3].expand(2, 5, 3, 3), points)
    assert_close(se3.transform_vectors(pose, points), expected)
    assert_close(se3.transform_points(pose, points), expected + pose[..., None, :3, 3])


def test_gradients_are_exact() -> None:
    g = generator(5)
    pose, other = random_transform(1), random_transform(2)
    for w in (torch.zeros(3, dtype=D), 1e-3 * unit(1, 2, 3), torch.randn(3, generator=g, dtype=D)):
        w = w.clone().requires_grad_()
        assert torch.autograd.gradcheck(se3.exp_so3, w)
        assert torch.autograd.gradcheck(lambda u: se3.log_so3(se3.exp_so3(u)), w)
    xi = torch.zeros(6, dtype=D, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: se3.local(other, se3.retract(pose, x)), xi)
    assert torch.autograd.gradcheck(lambda x: se3.local(pose, se3.retract(pose, x)), xi)
    assert torch.autograd.gradcheck(lambda x: se3.invert(se3.retract(pose, x)), xi)


def test_second_derivatives_are_exact_at_zero() -> None:
    assert torch.autograd.gradgradcheck(se3.exp_so3, torch.zeros(3, dtype=D, requires_grad=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip_has_unit_gradient_at_zero(dtype: torch.dtype) -> None:
    xi = torch.zeros(6, dtype=dtype)
    pose = random_transform(0).to(dtype)
    jacobian = torch.autograd.functional.jacobian(lambda x: se3.local(pose, se3.retract(pose, x)), xi)
    assert_close(jacobian, torch.eye(6, dtype=dtype), atol=1e-5, rtol=0)


def test_quaternions_agree_with_transforms3d() -> None:
    rotations = se3.random_rotation(generator(), (200,))
    for rotation in rotations:
        q = quaternions.mat2quat(rotation.numpy())
        q = q if q[0] >= 0 else -q
        np.testing.assert_allclose(se3.matrix_to_quaternion(rotation).numpy(), q, atol=1e-7)
        np.testing.assert_allclose(se3.quaternion_to_matrix(torch.tensor(q)).numpy(), rotation.numpy(), atol=1e-7)


def test_quaternion_round_trip_covers_every_branch() -> None:
    q = torch.eye(4, dtype=D).repeat_interleave(50, 0)
    q = q + 0.3 * torch.randn(200, 4, generator=generator(), dtype=D)
    q = q / q.norm(dim=-1, keepdim=True)
    q = torch.where(q[:, :1] < 0, -q, q)
    assert_close(se3.matrix_to_quaternion(se3.quaternion_to_matrix(q)), q)
    assert_close(se3.quaternion_to_matrix(7 * q), se3.quaternion_to_matrix(q))


def test_message_order() -> None:
    q = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert_close(se3.wxyz_to_xyzw(q), torch.tensor([0.2, 0.3, 0.4, 0.1]))
    assert_close(se3.xyzw_to_wxyz(se3.wxyz_to_xyzw(q)), q)


def test_rpy_agrees_with_transforms3d() -> None:
    rpy = 2 * torch.randn(50, 3, generator=generator(), dtype=D)
    expected = np.stack([euler.euler2mat(*angles, axes="sxyz") for angles in rpy.numpy()])
    np.testing.assert_allclose(se3.rpy_to_matrix(rpy).numpy(), expected, atol=1e-12)


def test_rpy_round_trip_also_at_gimbal_lock() -> None:
    rpy = 1.5 * torch.tanh(torch.randn(50, 3, generator=generator(), dtype=D))
    assert_close(se3.matrix_to_rpy(se3.rpy_to_matrix(rpy)), rpy)
    for pitch in (-math.pi / 2, math.pi / 2):
        rotation = se3.rpy_to_matrix(torch.tensor([0.3, pitch, 0.8], dtype=D))
        again = se3.matrix_to_rpy(rotation)
        assert again[2] == 0
        assert_close(se3.rpy_to_matrix(again), rotation)


def test_random_rotations_are_uniform_and_repeat() -> None:
    rotations = se3.random_rotation(generator(1), (20_000,))
    assert_close(rotations, se3.random_rotation(generator(1), (20_000,)), rtol=0, atol=0)
    # Standard error of a mean entry is sqrt(1/3/20000) = 0.004; E[tr] = 0 on SO(3).
    assert_close(rotations.mean(0), torch.zeros(3, 3, dtype=D), atol=0.02, rtol=0)


def test_nan_is_let_through() -> None:
    rotation = torch.eye(3, dtype=D).repeat(9, 1, 1)
    rotation.flatten(1).diagonal().fill_(math.nan)
    assert se3.log_so3(rotation).isnan().any(-1).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: se3.exp_so3(torch.zeros(4)),
        lambda: se3.log_so3(torch.zeros(3)),
        lambda: se3.retract(torch.eye(4), torch.zeros(3)),
        lambda: se3.retract(torch.eye(3), torch.zeros(6)),
        lambda: se3.quaternion_to_matrix(torch.zeros(3)),
        lambda: se3.transform_points(torch.eye(4), torch.zeros(4, 2)),
    ],
)
def test_wrong_shapes_are_named(call: object) -> None:
    with pytest.raises(ShapeError, match="expected"):
        call()  # type: ignore[operator]
