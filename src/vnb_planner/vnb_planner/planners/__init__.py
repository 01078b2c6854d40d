"""Planners behind one interface, by name."""

from dataclasses import fields

from vnb_grasp.registry import Registry
from vnb_planner.planners.action_box import ActionBox
from vnb_planner.planners.cem import CemConfig, CemPlanner
from vnb_planner.planners.gauss import GaussConfig, GaussCvarConfig, GaussCvarPlanner, GaussPlanner, collapse
from vnb_planner.planners.interface import Decision, PlanInput, Planner, PlannerFactory, check_decision
from vnb_planner.planners.noop import NoopConfig, NoopPlanner
from vnb_planner.planners.pf import PfConfig, PfPlanner
from vnb_planner.planners.random_motion import RandomConfig, RandomPlanner
from vnb_planner.planners.robust import RobustConfig, RobustPlanner
from vnb_planner.planners.scripted import ScriptedConfig, ScriptedPlanner
from vnb_planner.planners.search import SearchConfig, SearchPlanner
from vnb_planner.planners.squeeze import SqueezeConfig, SqueezePlanner
from vnb_planner.planners.tuned import TunedPlanner
from vnb_planner.planners.vnb import VnbConfig, VnbPlanner

PLANNERS: Registry[PlannerFactory] = Registry("planner")
"""Planner factories by name: ``(hand, object, parameters) -> Planner``."""

CONFIGS: Registry[type] = Registry("planner with parameters")
"""Dataclass of each planner's parameters; a planner that takes none need not be here."""


def _add(name: str, factory: PlannerFactory, config: type) -> None:
    PLANNERS.add(name, factory)
    CONFIGS.add(name, config)


_add("vnb", VnbPlanner.make, VnbConfig)
_add("gauss", GaussPlanner.make, GaussConfig)
_add("gauss_cvar", GaussCvarPlanner.make, GaussCvarConfig)
_add("cem", CemPlanner.make, CemConfig)
_add("pf", PfPlanner.make, PfConfig)
_add("robust", RobustPlanner.make, RobustConfig)
_add("scripted", ScriptedPlanner.make, ScriptedConfig)
_add("tuned", TunedPlanner.make, ScriptedConfig)
_add("squeeze", SqueezePlanner.make, SqueezeConfig)
_add("noop", NoopPlanner.make, NoopConfig)
_add("random", RandomPlanner.make, RandomConfig)


def parameter_names(method: str) -> frozenset[str]:
    """Return the names of the parameters that a planner takes; raises :class:`UnknownNameError` if there is none."""
    PLANNERS[method]
    return frozenset(item.name for item in fields(CONFIGS[method])) if method in CONFIGS else frozenset()


__all__ = [
    "CONFIGS",
    "PLANNERS",
    "ActionBox",
    "CemConfig",
    "CemPlanner",
    "Decision",
    "GaussConfig",
    "GaussCvarConfig",
    "GaussCvarPlanner",
    "GaussPlanner",
    "NoopConfig",
    "NoopPlanner",
    "PfConfig",
    "PfPlanner",
    "PlanInput",
    "Planner",
    "PlannerFactory",
    "RandomConfig",
    "RandomPlanner",
    "RobustConfig",
    "RobustPlanner",
    "ScriptedConfig",
    "ScriptedPlanner",
    "SearchConfig",
    "SearchPlanner",
    "SqueezeConfig",
    "SqueezePlanner",
    "TunedPlanner",
    "VnbConfig",
    "VnbPlanner",
    "check_decision",
    "collapse",
    "parameter_names",
]
