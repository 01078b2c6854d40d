import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vnb_belief.langevin import STEP, STEPS, langevin
from vnb_grasp.errors import ConfigError, NonFiniteError

MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
STD = torch.tensor([0.2, 0.5], dtype=torch.float64)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def gaussian(x: Tensor) -> Tensor:
    return -0.5 * ((x - MEAN) / STD).square().sum(dim=-1) + 37.0


def test_finds_a_known_gaussian() -> None:
    start = torch.zeros(4000, 2, dtype=torch.float64)
    draws = langevin(gaussian, start, generator(), step=2e-3, steps=1500)
    assert_close(draws.mean(dim=0), MEAN, rtol=0.0, atol=0.04)
    biased = STD / (1.0 - 0.5 * 2e-3 / STD.square()).sqrt()  # stationary law of the unadjusted scheme
    assert_close(draws.std(dim=0), biased, rtol=0.04, atol=0.0)


def test_one_default_chain_moves_as_the_linear_recursion_says() -> None:
    start = torch.zeros(20_000, 2, dtype=torch.float64)
    draws = langevin(gaussian, start, generator())
    decay = (1.0 - STEP / STD.square()) ** STEPS
    assert_close(draws.mean(dim=0), MEAN * (1.0 - decay), rtol=0.02, atol=0.01)


def test_warm_starts_keep_a_sample_a_sample() -> None:
    draws = MEAN + STD * torch.randn(4000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    after = langevin(gaussian, draws, generator())
    assert_close(after.mean(dim=0), MEAN, rtol=0.0, atol=0.03)
    assert_close(after.std(dim=0), STD, rtol=0.05, atol=0.0)


def test_deterministic_and_without_side_effects() -> None:
    start = torch.zeros(5, 2, dtype=torch.float64)
    with torch.no_grad():
        a, b = (langevin(gaussian, start, generator(), steps=3) for _ in range(2))
    assert torch.equal(a, b) and not a.requires_grad
    assert torch.equal(start, torch.zeros(5, 2, dtype=torch.float64)) and not start.requires_grad
    assert torch.equal(langevin(gaussian, start, generator(), steps=0), start)


def test_bad_arguments_and_divergence_are_errors() -> None:
    start = torch.zeros(5, 2, dtype=torch.float64)
    for step, steps in ((0.0, 5), (1e-3, -1)):
        with pytest.raises(ConfigError, match="Langevin"):
            langevin(gaussian, start, generator(), step=step, steps=steps)
    with pytest.raises(NonFiniteError, match="Langevin"):
        langevin(gaussian, start, generator(), step=1e9, steps=100)
