"""Calibration: right beliefs pass, narrow, wide and shifted ones do not."""

from __future__ import annotations

import math

import pytest
import torch

from vnb_belief import layout
from vnb_belief.mixture import Mixture
from vnb_belief.training.sbc import ENTRIES, simulation_based_calibration
from vnb_grasp.errors import ConfigError

COUNT = 1000


def made(scale: float = 1.0, shift: float = 0.0, count: int = COUNT) -> tuple[Mixture, torch.Tensor]:
    """Return beliefs of two components, and truths drawn from them; the belief is then scaled and shifted."""
    generator = torch.Generator().manual_seed(5)
    means = torch.randn(count, 2, layout.LATENT_DIM, generator=generator, dtype=torch.float64)
    stds = 0.2 + torch.rand(count, 2, layout.LATENT_DIM, generator=generator, dtype=torch.float64)
    logits = torch.tensor([math.log(0.3), math.log(0.7)], dtype=torch.float64).expand(count, 2)
    drawn = torch.multinomial(logits.exp(), 1, generator=generator)
    rows = torch.arange(count)
    noise = torch.randn(count, layout.LATENT_DIM, generator=generator, dtype=torch.float64)
    theta = means[rows, drawn[:, 0]] + stds[rows, drawn[:, 0]] * noise
    return Mixture(logits.contiguous(), means + shift, (scale * stds).log()), theta


def test_a_right_belief_is_not_rejected() -> None:
    found = simulation_based_calibration(*made())
    assert min(found.p_values.values()) > 0.01
    assert set(found.p_values) == set(ENTRIES)
    assert all(sum(counts) == COUNT for counts in found.histograms.values())
    low, high = found.nees_band
    assert low < found.nees < high


@pytest.mark.parametrize(("scale", "shift"), [(0.6, 0.0), (1.7, 0.0), (1.0, 0.3)])
def test_a_wrong_belief_is_rejected(scale: float, shift: float) -> None:
    found = simulation_based_calibration(*made(scale, shift))
    assert max(found.p_values.values()) < 0.01


@pytest.mark.parametrize(("scale", "side"), [(0.6, 1), (1.7, -1)])
def test_nees_tells_too_narrow_from_too_wide(scale: float, side: int) -> None:
    found = simulation_based_calibration(*made(scale))
    assert side * (found.nees - 1.0) > side * (found.nees_band[(side + 1) // 2] - 1.0) > 0.0


def test_too_few_episodes_are_refused() -> None:
    with pytest.raises(ConfigError, match="got 10 episodes"):
        simulation_based_calibration(*made(count=10))
