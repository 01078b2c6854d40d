"""Grasp quality measures on the wrench space."""

from vnb_grasp.quality.ferrari_canny import (
    epsilon_bound,
    epsilon_hull,
    grasp_epsilon,
    grasp_epsilon_bound,
    unit_directions,
)
from vnb_grasp.quality.min_weight import grasp_min_weight, min_weight

__all__ = [
    "epsilon_bound",
    "epsilon_hull",
    "grasp_epsilon",
    "grasp_epsilon_bound",
    "grasp_min_weight",
    "min_weight",
    "unit_directions",
]
