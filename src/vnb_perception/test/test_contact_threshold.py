from __future__ import annotations

import numpy as np
import pytest
import torch

from vnb_grasp.description import load_hand
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_perception.contact_threshold import ContactThreshold, ThresholdConfig
from vnb_perception.tactile_quality import TactileQuality, TactileQualityConfig

COUNTS = torch.full((5,), 204.0, dtype=torch.float64)
FIXED = 0.05
"""The paper's threshold [N]."""


def readings(force: np.ndarray, noise: float = 0.0, seed: int = 0) -> torch.Tensor:
    """Return readings (steps, 5) of forces (steps,) [N] by pads that count whole numbers, with white noise [N]."""
    rng = np.random.default_rng(seed)
    loaded = force[:, None] * (1 + 0.05 * rng.standard_normal((len(force), 5)))
    noisy = loaded + noise * rng.standard_normal((len(force), 5))
    return torch.from_numpy(np.clip(np.rint(noisy * 204.0), 0, None) / 204.0)


def contacts(forces: torch.Tensor) -> np.ndarray:
    threshold = ContactThreshold(COUNTS)
    return np.array([threshold.update(force).numpy() for force in forces])


def soft_and_slippery(steps: int = 40, before: int = 10) -> np.ndarray:
    """Return the force [N] of a pad that closes at 2 mm/s, 25 readings a second, on 40 N/m, with stick and slip."""
    depth = np.maximum(np.arange(steps) - before, 0) * 0.002 / 25
    slip = np.where(np.arange(steps) % 4 == 3, 0.55, 1.0)
    return 40.0 * depth * slip


def test_a_soft_slippery_object_is_felt_sooner_and_is_not_lost_again() -> None:
    forces = readings(soft_and_slippery())
    fixed, adaptive = (forces > FIXED).numpy(), contacts(forces)
    first_fixed, first_adaptive = fixed.argmax(0), adaptive.argmax(0)
    assert (first_adaptive <= 16).all()  # 6 readings after touch
    assert (first_fixed - first_adaptive >= 8).all()
    lost = lambda flags: int((flags[:-1] & ~flags[1:]).sum())  # noqa: E731
    assert lost(adaptive) == 0
    assert lost(fixed) >= 10


def test_a_noisy_pad_that_touches_nothing_does_not_touch() -> None:
    forces = readings(np.zeros(200), noise=0.05, seed=1) + 0.03
    assert (forces > FIXED).double().mean() > 0.3
    assert contacts(forces).mean() < 0.05


def test_hard_contacts_are_felt_at_once() -> None:
    force = np.zeros(20)
    force[10:] = 0.5
    flags = contacts(readings(force))
    assert not flags[:10].any() and flags[10:].all()


def test_a_contact_ends_when_the_finger_lets_go() -> None:
    force = np.zeros(40)
    force[10:20] = 0.5
    flags = contacts(readings(force))
    assert flags[10:20].all() and not flags[20:].any()


def test_a_pad_loaded_from_the_start_is_in_contact() -> None:
    assert contacts(readings(np.full(5, 0.5))).all()


def test_a_reset_forgets() -> None:
    threshold = ContactThreshold(COUNTS)
    threshold.update(torch.ones(5))
    threshold.reset()
    assert not threshold.update(torch.zeros(5)).any()


def test_bad_readings_and_parameters_are_refused() -> None:
    threshold = ContactThreshold(COUNTS)
    with pytest.raises(NonFiniteError, match="hand driver"):
        threshold.update(torch.full((5,), float("nan")))
    with pytest.raises(ShapeError):
        threshold.update(torch.zeros(4))
    for bad in ({"jump": 0.0}, {"learning": 1.5}):
        with pytest.raises(ConfigError):
            ThresholdConfig(**bad)


def test_tactile_quality_uses_it_when_asked() -> None:
    hand = load_hand("l6_v31")
    taxels = torch.zeros(5, hand.pads[0].rows, hand.pads[0].columns, dtype=torch.uint8)
    taxels[:, 0, 0] = 4  # 0.02 N of a finger, 0.16 N of the thumb
    fixed, adaptive = TactileQuality(hand), TactileQuality(hand, TactileQualityConfig(adaptive=True))
    adaptive.reset()
    for _ in range(6):
        assert not adaptive.estimate(0 * taxels, torch.zeros(11)).contact.any()
    for _ in range(3):
        flags = adaptive.estimate(taxels, torch.zeros(11)).contact
    assert fixed.estimate(taxels, torch.zeros(11)).contact.tolist() == [True, False, False, False, False]
    assert flags.all()
