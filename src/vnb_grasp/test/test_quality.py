"""Tests of epsilon and min-weight against closed forms, brute force and linear programs."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import ortho_group
from torch.testing import assert_close

from vnb_grasp.contacts import edge_wrenches
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_grasp.quality import (
    epsilon_bound,
    epsilon_hull,
    grasp_epsilon,
    grasp_epsilon_bound,
    grasp_min_weight,
    min_weight,
    unit_directions,
)

torch.set_num_threads(1)
D = torch.float64
ORIGIN = torch.zeros(3, dtype=D)
AXES = torch.cat((torch.eye(3, dtype=D), -torch.eye(3, dtype=D)))


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=D)


def contacts(n: int, seed: int, spread: float = 0.4, batch: tuple[int, ...] = ()) -> tuple[torch.Tensor, torch.Tensor]:
    """Points on the unit sphere with normals roughly towards its centre."""
    g = torch.Generator().manual_seed(seed)
    points = torch.nn.functional.normalize(torch.randn(*batch, n, 3, generator=g, dtype=D), dim=-1)
    normals = torch.randn(*batch, n, 3, generator=g, dtype=D) * spread - points
    return points, torch.nn.functional.normalize(normals, dim=-1)


def wrench_set(seed: int) -> np.ndarray:
    """Wrenches of 3 or 4 contacts with at most 16 cone edges in all, so that brute force is possible."""
    n, edges = ((3, 5), (4, 4), (3, 4), (4, 3))[seed % 4]
    points, normals = contacts(n, seed, spread=0.3)
    return edge_wrenches(points, normals, 0.4 + 0.1 * (seed % 7), ORIGIN, 1.0, edges).reshape(-1, 6).numpy()


def ray_length(wrenches: np.ndarray, direction: np.ndarray) -> float:
    """Largest t >= 0 for which t * direction is in the hull (LP), -1 if not even the origin is."""
    count, dimension = wrenches.shape
    equalities = np.vstack((np.hstack((wrenches.T, -direction[:, None])), np.append(np.ones(count), 0.0)))
    goal = np.append(np.zeros(dimension), 1.0)
    result = linprog(np.append(np.zeros(count), -1.0), A_eq=equalities, b_eq=goal, bounds=(0, None), method="highs")
    return -result.fun if result.success else -1.0


def brute_force_epsilon(wrenches: np.ndarray) -> float:
    """Epsilon from all hyperplanes a . x = 1 through six wrenches that have all the others on the origin's side.

    Valid if the origin is inside, which the ray lengths along a positive basis (linear programs) decide.
    """
    basis = np.vstack((np.eye(6), -np.ones(6)))
    if min(ray_length(wrenches, direction) for direction in basis) < 1e-9:
        return 0.0
    subsets = wrenches[np.array(list(itertools.combinations(range(len(wrenches)), 6)))]
    subsets = subsets[abs(np.linalg.det(subsets)) > 1e-9]
    planes = np.linalg.solve(subsets, np.ones((len(subsets), 6, 1)))[..., 0]
    facets = planes[(planes @ wrenches.T <= 1 + 1e-7).all(1)]
    return float(1 / np.linalg.norm(facets, axis=1).max())


def test_hull_agrees_with_brute_force_on_200_random_grasps() -> None:
    sets = [wrench_set(seed) for seed in range(200)]
    got = np.array([epsilon_hull(wrenches) for wrenches in sets])
    expected = np.array([brute_force_epsilon(wrenches) for wrenches in sets])
    assert 60 < (expected > 0).sum() < 190
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_every_ray_is_at_least_epsilon_long_and_force_closure_agrees_with_min_weight() -> None:
    rng = np.random.default_rng(0)
    closed = 0
    for seed in range(60):
        points, normals = contacts(3 + seed % 3, seed)
        wrenches = edge_wrenches(points, normals, 0.5, ORIGIN, 1.0).reshape(-1, 6).numpy()
        epsilon, margin = epsilon_hull(wrenches), min_weight(wrenches)
        assert (epsilon > 1e-7) == (margin > 1e-7)
        if epsilon > 0:
            closed += 1
            rays = rng.standard_normal((5, 6))
            rays /= np.linalg.norm(rays, axis=1, keepdims=True)
            assert min(ray_length(wrenches, ray) for ray in rays) >= epsilon - 1e-7
    assert 15 < closed < 55


@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_regular_polytopes(dimension: int) -> None:
    cross = np.vstack((np.eye(dimension), -np.eye(dimension)))
    cube = np.array(list(itertools.product((-1.0, 1.0), repeat=dimension)))
    assert epsilon_hull(cross) == pytest.approx(1 / math.sqrt(dimension))
    assert epsilon_hull(cube) == pytest.approx(1.0)
    assert min_weight(cross) == pytest.approx(1.0)
    shift = np.eye(dimension)[0]
    assert epsilon_hull(cube + 0.75 * shift) == pytest.approx(0.25)
    assert epsilon_hull(cube + 1.25 * shift) == 0.0
    assert min_weight(cube + 1.25 * shift) == 0.0


@pytest.mark.parametrize(("mu", "radius", "length"), [(0.2, 1.0, 1.0), (0.1, 0.05, 0.1), (0.3, 0.02, 0.05)])
def test_six_contacts_on_the_axes(mu: float, radius: float, length: float) -> None:
    # The weakest wrench is a torque about a space diagonal: each contact gives mu r / L sqrt(2/3), along a cone edge.
    expected = mu * radius / length * math.sqrt(2 / 3)
    got = grasp_epsilon(radius * AXES, -AXES, mu, ORIGIN, length)
    assert got == pytest.approx(expected, abs=1e-9)
    assert grasp_min_weight(radius * AXES, -AXES, mu, ORIGIN, length) == pytest.approx(1.0)


def test_without_friction_six_contacts_on_the_axes_resist_no_torque() -> None:
    assert grasp_epsilon(AXES, -AXES, 0.0, ORIGIN, 1.0) == 0.0
    assert grasp_min_weight(AXES, -AXES, 0.0, ORIGIN, 1.0) == 0.0


def test_two_opposed_hard_contacts_cannot_resist_the_torque_about_their_line() -> None:
    points, normals = AXES[[0, 3]], -AXES[[0, 3]]
    assert grasp_epsilon(points, normals, 0.8, ORIGIN, 1.0) == 0.0
    assert grasp_min_weight(points, normals, 0.8, ORIGIN, 1.0) == 0.0


def test_two_opposed_contacts_in_the_plane() -> None:
    # Planar wrenches (fx, fy, torque) of contacts at x = -1 and 1 with cone edges (1, +-mu): a tetrahedron.
    mu = 0.5
    wrenches = np.array([[1, mu, -mu], [1, -mu, mu], [-1, mu, mu], [-1, -mu, -mu]])
    # Facet through the first three: normal (mu, 1, 1) / sqrt(mu^2 + 2), offset mu.
    assert epsilon_hull(wrenches) == pytest.approx(mu / math.sqrt(mu**2 + 2))
    assert min_weight(wrenches) == pytest.approx(1.0)


def test_min_weight_by_hand() -> None:
    # Weights balance if that of -1 is twice that of 2; the wrench 0 carries the rest. Best is 1/2, 1/4, 1/4.
    assert min_weight(np.array([[-1.0], [2.0], [0.0]])) == pytest.approx(0.75)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_contacts_hold_nothing(n: int) -> None:
    points, normals = contacts(n, 0)
    directions = unit_directions(64, torch.Generator().manual_seed(0))
    assert grasp_epsilon(points, normals, 1.0, ORIGIN, 1.0) == 0.0
    assert grasp_min_weight(points, normals, 1.0, ORIGIN, 1.0) == 0.0
    points, normals = contacts(5, 0)
    active = torch.arange(5) < n
    assert grasp_epsilon_bound(points, normals, 1.0, ORIGIN, 1.0, directions, active).item() == 0.0


def test_a_single_contact_is_zero_even_where_the_directions_do_not_show_it() -> None:
    point, normal = tensor([[0.3, 0.5, 0.8]]), torch.nn.functional.normalize(tensor([[1.0, 1, 1]]), dim=-1)
    axes = unit_directions(12, torch.Generator())
    wrenches = edge_wrenches(point, normal, 8.0, ORIGIN, 1.0).reshape(-1, 6)
    assert epsilon_bound(wrenches, axes, refine_steps=0).item() > 0.1
    assert grasp_epsilon_bound(point, normal, 8.0, ORIGIN, 1.0, axes, refine_steps=0).item() == 0.0


def test_degenerate_hulls_are_zero() -> None:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((30, 6)) * [1, 1, 1, 1, 1, 0]
    assert epsilon_hull(flat) == min_weight(flat) == 0.0
    assert epsilon_hull(np.zeros((30, 6))) == min_weight(np.zeros((30, 6))) == 0.0
    assert epsilon_hull(np.eye(6)) == min_weight(np.eye(6)) == 0.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10.0))
def test_epsilon_is_invariant_to_rotation_and_order_and_scales(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    wrenches = rng.standard_normal((30, 6)) + 0.2
    epsilon, margin = epsilon_hull(wrenches), min_weight(wrenches)
    turned = scale * rng.permutation(wrenches) @ ortho_group.rvs(6, random_state=rng)
    np.testing.assert_allclose(epsilon_hull(turned), scale * epsilon, atol=1e-9)
    np.testing.assert_allclose(min_weight(turned), margin, atol=1e-7)
    assert epsilon_hull(np.vstack((wrenches, rng.standard_normal((3, 6))))) >= epsilon - 1e-12


def test_epsilon_grows_with_friction() -> None:
    points, normals = contacts(5, 7)
    values = [grasp_epsilon(points, normals, mu, ORIGIN, 1.0) for mu in (0.2, 0.4, 0.6, 0.8)]
    assert values == sorted(values)
    assert values[-1] > values[0]


def test_bound_is_above_the_hull_and_close_after_refinement() -> None:
    points, normals = contacts(5, 3, batch=(60,))
    directions = unit_directions(256, torch.Generator().manual_seed(0))
    exact = torch.tensor([grasp_epsilon(p, n, 0.5, ORIGIN, 1.0) for p, n in zip(points, normals, strict=True)])
    exact = exact.to(D)
    coarse = grasp_epsilon_bound(points, normals, 0.5, ORIGIN, 1.0, directions, refine_steps=0)
    fine = grasp_epsilon_bound(points, normals, 0.5, ORIGIN, 1.0, directions, refine_steps=80)
    finest = grasp_epsilon_bound(points, normals, 0.5, ORIGIN, 1.0, directions, refine_steps=300)
    assert (exact > 0).sum() > 20
    assert (exact == 0).sum() > 5
    assert (fine >= exact - 1e-12).all()
    assert (coarse >= fine).all()
    assert_close(fine, exact, atol=1e-2, rtol=0)
    assert_close(finest, exact, atol=3e-3, rtol=0)


def test_bound_finds_the_weak_torque_of_the_axis_grasp() -> None:
    directions = unit_directions(64, torch.Generator().manual_seed(0))
    bound = grasp_epsilon_bound(AXES, -AXES, 0.2, ORIGIN, 1.0, directions, refine_steps=200)
    assert_close(bound, torch.tensor(0.2 * math.sqrt(2 / 3), dtype=D), atol=1e-3, rtol=0)


def test_inactive_contacts_count_for_nothing() -> None:
    points, normals = contacts(5, 11, batch=(10,))
    directions = unit_directions(64, torch.Generator().manual_seed(0))
    active = torch.tensor([True, False, True, True, True]).expand(10, 5)
    damaged = points.clone()
    damaged[:, 1] = 1e3
    got = grasp_epsilon_bound(damaged, normals, 0.5, ORIGIN, 1.0, directions, active)
    keep = [0, 2, 3, 4]
    expected = grasp_epsilon_bound(points[:, keep], normals[:, keep], 0.5, ORIGIN, 1.0, directions)
    assert expected.max() > 0
    assert_close(got, expected, atol=1e-6, rtol=0)


def test_bound_follows_dtype_and_repeats() -> None:
    points, normals = (c.float() for c in contacts(5, 3, batch=(4,)))
    directions = unit_directions(64, torch.Generator().manual_seed(0), torch.float32)
    first = grasp_epsilon_bound(points, normals, 0.5, ORIGIN.float(), 1.0, directions)
    assert first.dtype == torch.float32
    assert first.shape == (4,)
    again = unit_directions(64, torch.Generator().manual_seed(0), torch.float32)
    assert_close(grasp_epsilon_bound(points, normals, 0.5, ORIGIN.float(), 1.0, again), first, atol=0, rtol=0)


def test_gradient_of_the_bound() -> None:
    wrenches = torch.tensor(wrench_set(1)).requires_grad_()
    directions = unit_directions(64, torch.Generator().manual_seed(0))
    assert epsilon_bound(wrenches, directions, refine_steps=0).item() > 0
    assert torch.autograd.gradcheck(lambda w: epsilon_bound(w, directions, refine_steps=0), wrenches)


def test_directions_are_unit_and_symmetric() -> None:
    directions = unit_directions(40, torch.Generator().manual_seed(3))
    assert_close(directions.norm(dim=-1), torch.ones(40, dtype=D))
    assert_close(directions[20:], -directions[:20])
    assert_close(directions[:6], torch.eye(6, dtype=D))


def test_bad_input_is_refused() -> None:
    with pytest.raises(NonFiniteError, match="NaN"):
        epsilon_hull(np.full((20, 6), np.nan))
    with pytest.raises(NonFiniteError, match="NaN"):
        min_weight(np.full((20, 6), np.inf))
    with pytest.raises(ShapeError, match="expected"):
        epsilon_hull(np.zeros(6))
    with pytest.raises(ShapeError, match="expected"):
        epsilon_bound(torch.zeros(4, 6), torch.zeros(4, 5))
    for count in (10, 13):
        with pytest.raises(ConfigError, match="even"):
            unit_directions(count, torch.Generator())


def test_nan_contacts_give_nan_bounds() -> None:
    points, normals = contacts(4, 0)
    points[1, 2] = math.nan
    directions = unit_directions(64, torch.Generator().manual_seed(0))
    assert grasp_epsilon_bound(points, normals, 0.5, ORIGIN, 1.0, directions, refine_steps=0).isnan()
