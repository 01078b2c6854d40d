"""Risk measures behind one interface, by name."""

from collections.abc import Callable

from vnb_grasp.registry import Registry
from vnb_planner.risk.failure import SHARPNESS, failure_probability, smooth_failure_probability
from vnb_planner.risk.measures import (
    CVaR,
    Mean,
    RiskMeasure,
    SmoothCVaR,
    WorstCase,
    cvar,
    expectation,
    smooth_cvar,
    smooth_cvar_bound,
    worst_case,
)

RISKS: Registry[Callable[[float], RiskMeasure]] = Registry("risk measure")
"""Factories by name: confidence level beta to risk measure (``mean`` and ``worst_case`` do not depend on it)."""

RISKS.add("mean", lambda beta: Mean())
RISKS.add("cvar", CVaR)
RISKS.add("smooth_cvar", SmoothCVaR)
RISKS.add("worst_case", lambda beta: WorstCase())

__all__ = [
    "RISKS",
    "SHARPNESS",
    "CVaR",
    "Mean",
    "RiskMeasure",
    "SmoothCVaR",
    "WorstCase",
    "cvar",
    "expectation",
    "failure_probability",
    "smooth_cvar",
    "smooth_cvar_bound",
    "smooth_failure_probability",
    "worst_case",
]
