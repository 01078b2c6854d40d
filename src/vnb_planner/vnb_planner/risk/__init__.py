"""Risk measures behind one interface, by name."""

from collections.abc import Callable

from vnb_grasp.registry import Registry
from vnb_planner.risk.entropic import Entropic, entropic, entropic_at_level
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
from vnb_planner.risk.spectral import Spectral, spectral

RISKS: Registry[Callable[[float], RiskMeasure]] = Registry("risk measure")
"""Factories by name: confidence level beta to risk measure (``mean`` and ``worst_case`` do not depend on it)."""

RISKS.add("mean", lambda beta: Mean())
RISKS.add("cvar", CVaR)
RISKS.add("smooth_cvar", SmoothCVaR)
RISKS.add("worst_case", lambda beta: WorstCase())
RISKS.add("entropic", Entropic)
RISKS.add("spectral", Spectral)

SMOOTH = frozenset({"entropic", "spectral"})
"""Measures whose own gradient reaches every sample; a search by gradients descends CVaR's surrogate for the others."""


def descent_measure(name: str, beta: float, temperature: float) -> RiskMeasure:
    """Return what a gradient search descends for the measure of that name: itself, or CVaR's smooth surrogate.

    Raises:
        UnknownNameError: If there is no measure of that name.
        ConfigError: If ``beta`` or ``temperature`` is out of range.
    """
    return RISKS[name](beta) if name in SMOOTH else SmoothCVaR(beta, temperature)


__all__ = [
    "RISKS",
    "SHARPNESS",
    "SMOOTH",
    "CVaR",
    "Entropic",
    "Mean",
    "RiskMeasure",
    "SmoothCVaR",
    "Spectral",
    "WorstCase",
    "cvar",
    "descent_measure",
    "entropic",
    "entropic_at_level",
    "expectation",
    "failure_probability",
    "smooth_cvar",
    "smooth_cvar_bound",
    "smooth_failure_probability",
    "spectral",
    "worst_case",
]
