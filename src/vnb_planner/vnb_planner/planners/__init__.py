"""Planners behind one interface, by name."""

from vnb_grasp.registry import Registry
from vnb_planner.planners.action_box import ActionBox
from vnb_planner.planners.interface import Decision, PlanInput, Planner, PlannerFactory
from vnb_planner.planners.noop import NoopConfig, NoopPlanner
from vnb_planner.planners.random_motion import RandomConfig, RandomPlanner
from vnb_planner.planners.scripted import ScriptedConfig, ScriptedPlanner
from vnb_planner.planners.vnb import VnbConfig, VnbPlanner

PLANNERS: Registry[PlannerFactory] = Registry("planner")
"""Planner factories by name: ``(hand, object, parameters) -> Planner``."""

PLANNERS.add("vnb", VnbPlanner.make)
PLANNERS.add("scripted", ScriptedPlanner.make)
PLANNERS.add("noop", NoopPlanner.make)
PLANNERS.add("random", RandomPlanner.make)

__all__ = [
    "PLANNERS",
    "ActionBox",
    "Decision",
    "NoopConfig",
    "NoopPlanner",
    "PlanInput",
    "Planner",
    "PlannerFactory",
    "RandomConfig",
    "RandomPlanner",
    "ScriptedConfig",
    "ScriptedPlanner",
    "VnbConfig",
    "VnbPlanner",
]
