"""Make a planner by name for a hand and an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vnb_grasp.description import HandDescription, ObjectDescription
from vnb_grasp.kinematics.hand_kinematics import HandKinematics
from vnb_grasp.shapes.sdf import SignedDistance
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PLANNERS, Planner, PlannerFactory


def make_planner(
    method: str | PlannerFactory,
    hand: HandDescription,
    obj: ObjectDescription,
    parameters: Mapping[str, Any] | None = None,
) -> Planner:
    """Make the planner ``method``, a name or a factory, for a hand and an object.

    Raises:
        UnknownNameError: If there is no planner of that name; the message lists the known ones.
    """
    factory = PLANNERS[method] if isinstance(method, str) else method
    kinematics = HandKinematics(hand, torch.float64)
    target = ObjectModel(SignedDistance(obj.primitives()), obj.mass, obj.force_cap, obj.name)
    return factory(HandModel.from_description(hand, kinematics), target, parameters)
