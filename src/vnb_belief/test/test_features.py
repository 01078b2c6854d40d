import math

import pytest
import torch
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.features import pose_from_vector, relative_observation
from vnb_grasp.errors import ShapeError
from vnb_grasp.frames.se3 import log_so3, retract


def test_only_the_pose_changes_and_is_zero_at_the_reset() -> None:
    observation = torch.randn(3, 41, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    relative = relative_observation(observation, pose_from_vector(observation[:, layout.OBS_POSE]))
    assert_close(relative[:, layout.OBS_POSE], torch.zeros(3, 6, dtype=torch.float64), rtol=0.0, atol=1e-12)
    assert torch.equal(relative[:, 6:], observation[:, 6:])


def test_pose_is_the_motion_since_the_reset() -> None:
    start = pose_from_vector(torch.tensor([0.1, 0.2, 0.3, 0.4, -0.5, 0.6], dtype=torch.float64))
    xi = torch.tensor([0.01, -0.02, 0.03, 0.2, 0.1, -0.3], dtype=torch.float64)
    observation = torch.zeros(41, dtype=torch.float64)
    moved = retract(start, xi)
    observation[layout.OBS_POSE] = torch.cat((moved[:3, 3], log_so3(moved[:3, :3])))
    assert_close(relative_observation(observation, start)[layout.OBS_POSE], xi)


def test_no_jump_where_the_rotation_vector_wraps() -> None:
    before, after = torch.zeros(2, 41, dtype=torch.float64)
    before[5], after[5] = math.pi - 0.01, -math.pi + 0.01  # 0.02 rad apart
    relative = relative_observation(after, pose_from_vector(before[layout.OBS_POSE]))
    assert_close(relative[5], torch.tensor(0.02, dtype=torch.float64))


def test_wrong_sizes_raise() -> None:
    with pytest.raises(ShapeError, match="pose"):
        pose_from_vector(torch.zeros(7))
    with pytest.raises(ShapeError, match="observation"):
        relative_observation(torch.zeros(40), torch.eye(4))
