import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.layout import PhysicalLatent, from_physical, pack_observation, to_physical
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError


def physical(**changes: torch.Tensor) -> PhysicalLatent:
    values = {
        "pose": torch.tensor([0.001, -0.002, 0.0, 0.1, 0.0, -0.2]),
        "mu": torch.tensor([0.2, 0.3, 0.4, 0.5, 0.6]),
        "kappa": torch.full((5,), 1000.0),
        "damping": torch.full((5,), 3.0),
        "slip": torch.tensor([0.001, 0.01, 0.1, 1.0, 30.0]),
    }
    return PhysicalLatent(**{name: changes.get(name, value).double() for name, value in values.items()})


def observation_parts(batch: tuple[int, ...] = ()) -> dict[str, torch.Tensor]:
    return {
        "pose": torch.full((*batch, 6), 1.0),
        "trace": torch.full(batch, 2.0),
        "force": torch.full((*batch, 5), 3.0),
        "contact": torch.ones((*batch, 5), dtype=torch.bool),
        "joint_position": torch.full((*batch, 11), 5.0),
        "joint_velocity": torch.full((*batch, 11), 6.0),
        "occlusion": torch.full(batch, 0.7),
        "segmentation": torch.full(batch, 0.8),
    }


@pytest.mark.parametrize(
    ("slices", "size"),
    [(layout.LATENT_SLICES, layout.LATENT_DIM), (layout.OBSERVATION_SLICES, layout.OBSERVATION_DIM)],
)
def test_slices_partition_the_vector(slices: dict[str, slice], size: int) -> None:
    covered = [index for where in slices.values() for index in range(where.start, where.stop)]
    assert covered == list(range(size))


def test_each_latent_part_has_its_transform() -> None:
    p = physical()
    theta = from_physical(p)
    assert_close(theta[layout.LOG_MU], p.mu.log())
    assert_close(theta[layout.LOG_KAPPA], p.kappa.log())
    assert_close(theta[layout.LOG_DAMPING], p.damping.log())
    assert_close(theta[layout.SLIP_RAW], torch.expm1(p.slip).log())
    assert_close(theta[layout.POSE], p.pose)


@given(st.lists(st.floats(-12.0, 12.0), min_size=26, max_size=26))
def test_round_trip_from_unconstrained(values: list[float]) -> None:
    theta = torch.tensor(values, dtype=torch.float64)
    theta[layout.SLIP_RAW] = theta[layout.SLIP_RAW].clamp(min=-9.0)  # above the slip floor
    assert_close(from_physical(to_physical(theta)), theta, rtol=1e-9, atol=1e-9)


def test_slip_below_the_floor_becomes_the_floor() -> None:
    theta = from_physical(physical(slip=torch.zeros(5)))
    assert_close(to_physical(theta).slip, torch.full((5,), layout.SLIP_FLOOR, dtype=torch.float64))


@pytest.mark.parametrize(("name", "value"), [("mu", 0.0), ("kappa", -1.0), ("damping", 0.0), ("slip", -1e-3)])
def test_impossible_physical_value_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"latent {name}: got {value}"):
        from_physical(physical(**{name: torch.full((5,), value)}))


def test_bad_latent_shapes_and_values() -> None:
    with pytest.raises(ShapeError, match=r"theta: got shape \(25,\), expected \(..., 26\)"):
        to_physical(torch.zeros(25))
    with pytest.raises(ShapeError, match="latent mu"):
        from_physical(dataclasses.replace(physical(), mu=torch.ones(4)))
    with pytest.raises(NonFiniteError, match="latent kappa"):
        from_physical(physical(kappa=torch.full((5,), torch.nan)))


@pytest.mark.parametrize("batch", [(), (3,), (2, 4)])
def test_observation_parts_land_in_their_slices(batch: tuple[int, ...]) -> None:
    parts = observation_parts(batch)
    packed = pack_observation(**parts)
    assert packed.shape == (*batch, 41)
    assert packed.dtype == parts["pose"].dtype
    for name, where in layout.OBSERVATION_SLICES.items():
        assert_close(packed[..., where].reshape(parts[name].shape), parts[name].to(packed.dtype))


@pytest.mark.parametrize("name", list(layout.OBSERVATION_SLICES))
def test_bad_observation_part_is_named(name: str) -> None:
    parts = observation_parts()
    with pytest.raises(NonFiniteError, match=f"observation {name}"):
        pack_observation(**{**parts, name: parts[name].float() * torch.nan})
    if parts[name].ndim:
        with pytest.raises(ShapeError, match=f"observation {name}"):
            pack_observation(**{**parts, name: parts[name][:-1]})
