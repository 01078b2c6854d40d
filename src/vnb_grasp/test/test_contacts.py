"""Tests of contact frames, friction cones and the grasp map."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from vnb_grasp.contacts import cone_edges, cone_support, contact_frames, edge_wrenches, grasp_map, in_cone
from vnb_grasp.errors import ConfigError, ShapeError

torch.set_num_threads(1)
D = torch.float64


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def unit(v: torch.Tensor) -> torch.Tensor:
    return v / v.norm(dim=-1, keepdim=True)


AXES = torch.cat((torch.eye(3, dtype=D), -torch.eye(3, dtype=D)))


def test_frames_are_right_handed_bases_on_the_normal() -> None:
    normals = torch.cat((AXES, unit(randn(200, 3)), unit(torch.tensor([[1e-9, 0, -1], [1, 0, -1e-12]], dtype=D))))
    frames = contact_frames(normals)
    assert_close(frames[..., 2], normals)
    assert_close(frames @ frames.mT, torch.eye(3, dtype=D).expand_as(frames))
    assert_close(torch.linalg.det(frames), torch.ones(len(frames), dtype=D))


def test_frames_are_differentiable() -> None:
    assert torch.autograd.gradcheck(contact_frames, unit(randn(5, 3)).requires_grad_())


def test_membership_at_the_edge_of_the_cone() -> None:
    force = torch.tensor([[0.3, 0.4, 1.0], [0.3, 0.4, 0.99], [0, 0, 0], [0, 0, -1], [0, 0, 2]], dtype=D)
    assert in_cone(force, 0.5 + 1e-12).tolist() == [True, False, True, False, True]
    assert in_cone(force[1], 0.5, tolerance=0.006).item()
    assert in_cone(force[:1], torch.tensor([0.49], dtype=D)).item() is False


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 2.0), st.floats(0.1, 5.0))
def test_support_bounds_every_member_and_is_attained(seed: int, mu: float, f_max: float) -> None:
    direction = randn(3, seed=seed)
    normal = f_max * torch.rand(500, generator=torch.Generator().manual_seed(seed), dtype=D)
    tangent = unit(randn(500, 2, seed=seed + 1)) * (mu * normal)[:, None]
    forces = torch.cat((tangent, normal[:, None]), -1)
    assert in_cone(forces, mu, tolerance=1e-12).all()
    support = cone_support(direction, mu, f_max)
    assert (forces @ direction <= support + 1e-12).all()
    best = f_max * torch.cat((mu * unit(direction[:2]), torch.ones(1, dtype=D)))
    assert_close(torch.maximum(best @ direction, torch.zeros((), dtype=D)), support)


def test_support_has_finite_gradient_along_the_normal() -> None:
    direction = torch.tensor([0.0, 0.0, 1.0], dtype=D, requires_grad=True)
    (gradient,) = torch.autograd.grad(cone_support(direction, 0.5), direction)
    assert_close(gradient, torch.tensor([0.0, 0.0, 1.0], dtype=D))


@pytest.mark.parametrize("edges", [3, 8])
def test_edges_lie_on_the_cone_and_inscribe_it(edges: int) -> None:
    mu = torch.tensor([0.0, 0.3, 1.2], dtype=D)
    forces = cone_edges(mu, edges)
    assert forces.shape == (3, edges, 3)
    assert_close(forces[..., 2], torch.ones(3, edges, dtype=D))
    assert_close(forces[..., :2].norm(dim=-1), mu[:, None].expand(3, edges))
    angle = torch.tensor(math.pi / edges, dtype=D)
    between = torch.stack((angle.cos(), angle.sin(), torch.zeros((), dtype=D)))
    assert_close((forces @ between).amax(-1), mu * angle.cos())


def test_grasp_map_by_hand() -> None:
    points = torch.tensor([[0.1, 0.0, 0.2], [0.0, -0.1, 0.2]], dtype=D)
    frames = torch.eye(3, dtype=D).repeat(2, 1, 1)
    got = grasp_map(points, frames, torch.tensor([0.0, 0.0, 0.2], dtype=D), 0.05)
    # A unit z force at x = 0.1 turns about -y; at y = -0.1 about -x.
    assert_close(got[:, 2], torch.tensor([0, 0, 1, 0, -2, 0], dtype=D))
    assert_close(got[:, 5], torch.tensor([0, 0, 1, -2, 0, 0], dtype=D))
    assert_close(got[:, 1], torch.tensor([0, 1, 0, 0, 0, 2], dtype=D))


def test_grasp_map_sums_forces_and_torques() -> None:
    points, forces, centre = randn(4, 5, 3), randn(4, 5, 3, seed=1), randn(4, 3, seed=2)
    frames = contact_frames(unit(randn(4, 5, 3, seed=3)))
    world = (frames @ forces[..., None])[..., 0]
    torque = torch.linalg.cross(points - centre[:, None], world).sum(-2) / 0.07
    got = (grasp_map(points, frames, centre, 0.07) @ forces.flatten(-2)[..., None])[..., 0]
    assert_close(got, torch.cat((world.sum(-2), torque), -1))


def test_edge_wrenches_are_the_grasp_map_of_the_edges() -> None:
    points, normals, centre = randn(2, 3, 3), unit(randn(2, 3, 3, seed=1)), randn(2, 3, seed=2)
    mu = torch.tensor([[0.1, 0.5, 1.0], [0.2, 0.3, 0.4]], dtype=D)
    wrenches = edge_wrenches(points, normals, mu, centre, 0.1, edges=6)
    assert wrenches.shape == (2, 3, 6, 6)
    whole = grasp_map(points, contact_frames(normals), centre, 0.1)
    for batch, contact, edge in ((0, 0, 0), (1, 2, 5), (0, 1, 3)):
        force = torch.zeros(3, 3, dtype=D)
        force[contact] = cone_edges(mu, 6)[batch, contact, edge]
        assert_close(wrenches[batch, contact, edge], whole[batch] @ force.flatten())


def test_gradients() -> None:
    points, normals = randn(3, 3).requires_grad_(), unit(randn(3, 3, seed=1)).requires_grad_()
    centre, mu = torch.zeros(3, dtype=D), torch.full((3,), 0.5, dtype=D, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, n, m: edge_wrenches(p, n, m, centre, 0.1, 4), (points, normals, mu))


def test_bad_input_is_refused() -> None:
    points, frames, centre = torch.zeros(2, 3), torch.eye(3).repeat(2, 1, 1), torch.zeros(3)
    with pytest.raises(ShapeError, match="expected"):
        contact_frames(torch.zeros(2))
    with pytest.raises(ShapeError, match="expected"):
        in_cone(torch.zeros(2), 0.5)
    with pytest.raises(ShapeError, match="expected"):
        grasp_map(points, frames[:1], centre, 0.1)
    for length in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="torque_length"):
            grasp_map(points, frames, centre, length)
    with pytest.raises(ConfigError, match="at least 3"):
        cone_edges(torch.tensor([0.5]), 2)
