"""Forces, contacts and epsilon-hat from touch."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from vnb_grasp.description import load_hand
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_perception.tactile_quality import TactileQuality, TactileQualityConfig

HAND = load_hand("l6_v31")
CLOSED = torch.tensor([1.2, 0.3, 0.6, 0.6, 0.6, 0.6, 0.37, 0.68, 0.68, 0.68, 0.68], dtype=torch.float64)


def taxels(*counts: int) -> torch.Tensor:
    """Return pads whose first taxel holds the finger's count."""
    result = torch.zeros(5, 12, 6, dtype=torch.uint8)
    result[:, 0, 0] = torch.tensor(counts, dtype=torch.uint8)
    return result


def test_force_is_the_taxel_sum_over_the_fingers_gain() -> None:
    estimate = TactileQuality(HAND).estimate(taxels(51, 204, 102, 0, 0), CLOSED)
    assert_close(estimate.force, torch.tensor([2.0, 1.0, 0.5, 0.0, 0.0], dtype=torch.float64))


def test_contact_begins_above_the_threshold() -> None:
    quality = TactileQuality(HAND, TactileQualityConfig(contact_force=0.05))
    # fingers: 10 counts are 0.049 N, 11 are 0.054 N; thumb: 1 count is 0.039 N, 2 are 0.078 N
    assert quality.estimate(taxels(1, 10, 11, 0, 0), CLOSED).contact.tolist() == [False, False, True, False, False]
    assert quality.estimate(taxels(2, 0, 0, 0, 0), CLOSED).contact.tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("counts", [(0, 0, 0, 0, 0), (200, 0, 0, 0, 0)])
def test_fewer_than_two_contacts_have_no_quality(counts: tuple[int, ...]) -> None:
    assert TactileQuality(HAND).estimate(taxels(*counts), CLOSED).epsilon_hat == 0.0


def test_more_assumed_friction_is_never_worse() -> None:
    values = [
        TactileQuality(HAND, TactileQualityConfig(friction=mu)).estimate(taxels(99, 99, 99, 99, 99), CLOSED).epsilon_hat
        for mu in (0.2, 0.5, 0.9)
    ]
    assert values == sorted(values)
    assert values[-1] > 0.0


def test_normals_point_from_each_pad_to_their_mean() -> None:
    estimate = TactileQuality(HAND).estimate(taxels(0, 0, 0, 0, 0), CLOSED)
    assert_close(torch.linalg.vector_norm(estimate.normals, dim=-1), torch.ones(5, dtype=torch.float64))
    toward = estimate.points.mean(0) - estimate.points
    assert_close(torch.linalg.cross(estimate.normals, toward), torch.zeros(5, 3, dtype=torch.float64))
    assert bool(((estimate.normals * toward).sum(-1) > 0).all())


def test_bad_input_is_refused() -> None:
    quality = TactileQuality(HAND)
    with pytest.raises(ShapeError, match="expected"):
        quality.estimate(taxels(0, 0, 0, 0, 0)[:4], CLOSED)
    bad = CLOSED.clone()
    bad[3] = float("nan")
    with pytest.raises(NonFiniteError, match="hand driver"):
        quality.estimate(taxels(0, 0, 0, 0, 0), bad)
    with pytest.raises(ConfigError, match="friction"):
        TactileQualityConfig(friction=0.0)
