"""Visual cost of an observation: how little the cameras can be trusted."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from vnb_belief.layout import OBS_OCCLUSION, OBS_SEGMENTATION, OBS_TRACE


def visual_cost(observation: Tensor) -> Tensor:
    """Return ``tr(Sigma_pose) + softplus(occlusion) + (1 - segmentation)``, shape ``(...)``.

    Args:
        observation: Observation vectors ``(..., 41)``.
    """
    trace = observation[..., OBS_TRACE].squeeze(-1)
    occlusion = observation[..., OBS_OCCLUSION].squeeze(-1)
    segmentation = observation[..., OBS_SEGMENTATION].squeeze(-1)
    return trace + softplus(occlusion) + (1.0 - segmentation)
