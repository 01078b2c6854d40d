"""Tests of primitives and their signed distance."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from vnb_grasp.errors import DescriptionError, ShapeError
from vnb_grasp.frames.se3 import make_transform, quaternion_to_matrix, transform_points, transform_vectors
from vnb_grasp.shapes.primitive import Primitive
from vnb_grasp.shapes.sdf import SignedDistance

torch.set_num_threads(1)
D = torch.float64
TILT = tuple((torch.tensor([0.9, -0.2, 0.3, 0.1], dtype=D) / math.sqrt(0.95)).tolist())

BOX = Primitive("box", (0.3, 0.2, 0.1))
SPHERE = Primitive("sphere", (0.25,), (0.1, 0.0, -0.2))
CYLINDER = Primitive("cylinder", (0.2, 0.4))
CAPSULE = Primitive("capsule", (0.1, 0.3), (0.0, 0.1, 0.0), TILT)
TILTED_BOX = Primitive("box", (0.1, 0.05, 0.3), (0.2, -0.1, 0.3), TILT)
TILTED_CYLINDER = Primitive("cylinder", (0.15, 0.1), (-0.2, 0.1, 0.3), TILT)
SOLIDS = [BOX, SPHERE, CYLINDER, CAPSULE, TILTED_BOX, TILTED_CYLINDER]


def random_points(n: int, seed: int = 0, scale: float = 0.4) -> torch.Tensor:
    return scale * torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=D)


S = math.sqrt(0.5)
CLOSED_FORMS = [
    (BOX, (0.5, 0, 0), 0.2, (1, 0, 0)),
    (BOX, (0.1, -0.5, 0.05), 0.3, (0, -1, 0)),
    (BOX, (0.4, 0.3, 0), 0.1 / S, (S, S, 0)),
    (BOX, (0.4, -0.3, -0.2), 0.1 * math.sqrt(3), (3**-0.5, -(3**-0.5), -(3**-0.5))),
    (BOX, (0, 0, 0.04), -0.06, (0, 0, 1)),
    (BOX, (-0.29, 0, 0), -0.01, (-1, 0, 0)),
    (BOX, (0, 0, 0), -0.1, (0, 0, 1)),
    (SPHERE, (0.1, 0, 0.3), 0.25, (0, 0, 1)),
    (SPHERE, (0.0, 0, -0.2), -0.15, (-1, 0, 0)),
    (CYLINDER, (0.3, 0.4, 0.1), 0.3, (0.6, 0.8, 0)),
    (CYLINDER, (0.05, 0, -0.6), 0.2, (0, 0, -1)),
    (CYLINDER, (0, -0.3, 0.5), 0.1 / S, (0, -S, S)),
    (CYLINDER, (0, 0.15, 0), -0.05, (0, 1, 0)),
    (CYLINDER, (0, 0.05, 0.39), -0.01, (0, 0, 1)),
    (Primitive("capsule", (0.1, 0.3)), (0.3, 0, 0.2), 0.2, (1, 0, 0)),
    (Primitive("capsule", (0.1, 0.3)), (0, 0, -0.7), 0.3, (0, 0, -1)),
    (Primitive("capsule", (0.1, 0.3)), (0.3, 0, 0.7), 0.4, (0.6, 0, 0.8)),
    (Primitive("capsule", (0.1, 0.3)), (0.04, 0, 0), -0.06, (1, 0, 0)),
]


@pytest.mark.parametrize(("primitive", "point", "distance", "normal"), CLOSED_FORMS)
def test_closed_forms(primitive: Primitive, point: tuple, distance: float, normal: tuple) -> None:
    got, gradient = SignedDistance([primitive]).distance_and_normal(torch.tensor(point, dtype=D))
    assert_close(got, torch.tensor(distance, dtype=D))
    assert_close(gradient, torch.tensor(normal, dtype=D))


@pytest.mark.parametrize("primitive", SOLIDS)
def test_normal_is_the_gradient_and_derivatives_are_exact(primitive: Primitive) -> None:
    field = SignedDistance([primitive])
    points = random_points(60).requires_grad_()
    distance, normal = field.distance_and_normal(points)
    (gradient,) = torch.autograd.grad(distance.sum(), points)
    assert_close(normal, gradient)
    assert_close(normal.norm(dim=-1), torch.ones(60, dtype=D))
    assert torch.autograd.gradcheck(field.distance_and_normal, points)


@pytest.mark.parametrize("primitive", SOLIDS)
def test_the_foot_point_is_on_the_surface(primitive: Primitive) -> None:
    field = SignedDistance([primitive])
    points = random_points(400, seed=1)
    distance, normal = field.distance_and_normal(points)
    assert_close(field.distance(points - distance[:, None] * normal), torch.zeros(400, dtype=D), atol=1e-12, rtol=0)
    assert (distance > 0).any()
    assert (distance < 0).any()


@pytest.mark.parametrize("primitive", SOLIDS)
def test_gradients_are_finite_and_normals_unit_at_singular_points(primitive: Primitive) -> None:
    pose = make_transform(
        quaternion_to_matrix(torch.tensor(primitive.quaternion, dtype=D)), torch.tensor(primitive.position, dtype=D)
    )
    corner = torch.tensor([*primitive.size, 0, 0][:3], dtype=D)
    special = torch.stack(
        [torch.zeros(3, dtype=D), corner, corner * torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 0.05], dtype=D)]
    )
    for dtype in (torch.float32, torch.float64):
        points = transform_points(pose, special).to(dtype).requires_grad_()
        distance, normal = SignedDistance([primitive, primitive]).distance_and_normal(points)
        (gradient,) = torch.autograd.grad(distance.sum() + normal.sum(), points)
        assert distance.dtype == normal.dtype == dtype
        assert gradient.isfinite().all()
        assert_close(normal.norm(dim=-1), torch.ones(4, dtype=dtype))


def test_a_pose_moves_the_field() -> None:
    points = random_points(200, seed=2)
    base = SignedDistance([Primitive("box", TILTED_BOX.size)])
    pose = make_transform(quaternion_to_matrix(torch.tensor(TILT, dtype=D)), torch.tensor(TILTED_BOX.position, dtype=D))
    distance, normal = base.distance_and_normal(points)
    moved, turned = SignedDistance([TILTED_BOX]).distance_and_normal(transform_points(pose, points))
    assert_close(moved, distance)
    assert_close(turned, transform_vectors(pose, normal))


def test_a_union_takes_the_nearest_primitive_and_keeps_the_shape() -> None:
    points = random_points(600, seed=3).reshape(2, 100, 3, 3)
    single = [SignedDistance([solid]).distance_and_normal(points) for solid in SOLIDS]
    distances = torch.stack([distance for distance, _ in single])
    normals = torch.stack([normal for _, normal in single])
    smallest, index = distances.min(0)
    distance, normal = SignedDistance(SOLIDS).distance_and_normal(points)
    assert len(index.unique()) == len(SOLIDS)
    assert_close(distance, smallest)
    assert_close(normal, normals.gather(0, index[None, ..., None].expand(1, *normal.shape))[0])
    assert_close(SignedDistance(SOLIDS).distance(points), smallest)


def test_a_union_is_differentiable() -> None:
    points = random_points(20, seed=4).requires_grad_()
    assert torch.autograd.gradcheck(SignedDistance(SOLIDS).distance_and_normal, points)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_distance_is_one_lipschitz(seed: int) -> None:
    a, b = random_points(100, seed).split(50)
    field = SignedDistance(SOLIDS)
    assert ((field.distance(a) - field.distance(b)).abs() <= (a - b).norm(dim=-1) + 1e-12).all()


@pytest.mark.parametrize("solids", [[BOX], SOLIDS])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_nan_is_let_through(solids: list[Primitive], axis: int) -> None:
    points = random_points(5)
    points[2, axis] = math.nan
    assert SignedDistance(solids).distance(points).isnan().tolist() == [False, False, True, False, False]


def test_empty_batch() -> None:
    distance, normal = SignedDistance(SOLIDS).distance_and_normal(torch.zeros(0, 4, 3))
    assert distance.shape == (0, 4)
    assert normal.shape == (0, 4, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        ("cone", (1.0,)),
        ("box", (1.0, 1.0)),
        ("sphere", (0.0,)),
        ("sphere", (math.nan,)),
        ("capsule", (0.1, -1.0)),
        ("sphere", (1.0,), (0.0, math.inf, 0.0)),
        ("sphere", (1.0,), (0.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.0)),
        ("sphere", (1.0,), (0.0, 0.0, 0.0), (math.nan, 1.0, 0.0, 0.0)),
    ],
)
def test_bad_primitives_are_refused(arguments: tuple) -> None:
    with pytest.raises(DescriptionError, match="got"):
        Primitive(*arguments)


def test_bad_input_is_refused() -> None:
    with pytest.raises(DescriptionError, match="at least one"):
        SignedDistance([])
    with pytest.raises(ShapeError, match="expected"):
        SignedDistance([BOX]).distance(torch.zeros(3, 2))
