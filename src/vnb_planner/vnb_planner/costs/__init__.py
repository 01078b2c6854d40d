"""Grasp costs behind one interface, by name."""

from vnb_grasp.registry import Registry
from vnb_planner.costs.interface import Cost, CostFactory, Evaluate
from vnb_planner.costs.paper import PaperCost, PaperCostConfig
from vnb_planner.costs.visual import visual_cost
from vnb_planner.costs.wrench_margin import WrenchMarginConfig, WrenchMarginCost

COSTS: Registry[CostFactory] = Registry("cost")
"""Cost factories by name: ``(hand, object, parameters) -> Cost``."""

COSTS.add("paper", PaperCost.make)
COSTS.add("wrench_margin", WrenchMarginCost.make)

__all__ = [
    "COSTS",
    "Cost",
    "CostFactory",
    "Evaluate",
    "PaperCost",
    "PaperCostConfig",
    "WrenchMarginConfig",
    "WrenchMarginCost",
    "visual_cost",
]
