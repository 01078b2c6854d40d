"""The method with one part taken out or exchanged, each under a name of its own; what each part is worth.

They answer a question about ``vnb`` and are no methods to compare with, so tables that compare all methods leave them
out unless they are named. All of them keep the failure calibration of ``vnb`` unless they change what it stands on.
"""

from __future__ import annotations

from collections.abc import Callable

from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_grasp.registry import Registry
from vnb_planner.attempts import AttemptRule

ABLATIONS: Registry[Callable[[], PlannerMethod]] = Registry("ablation")
"""Factories by name."""


def _add(
    name: str,
    planner: str = "vnb",
    belief: str = "learned",
    attempts: int = 0,
    uses_beta: bool = True,
    **parameters: object,
) -> None:
    rule = AttemptRule(attempts=attempts) if attempts else AttemptRule()
    ABLATIONS.add(name, lambda: PlannerMethod(planner, belief, parameters, uses_beta=uses_beta, rule=rule))


_add("vnb-prior", belief="prior")
_add("vnb-k1", planner="gauss_cvar", lambda_c=1.0, calibration="vnb")
_add("vnb-mean", lambda_c=0.0)
_add("vnb-half", lambda_c=0.5)
_add("vnb-paper-cost", cost="paper", calibration="raw")
_add("vnb-entropy", gamma=0.1)
_add("vnb-probe", probe=True)
_add("vnb-raw", calibration="raw")

# One attempt each: what a failure calibration is fitted to, as a second one depends on the calibration.
_add("vnb-once", attempts=1)
_add("gauss-once", planner="gauss", attempts=1, uses_beta=False)
_add("gauss_cvar-once", planner="gauss_cvar", attempts=1)
_add("cem-once", planner="cem", attempts=1)
_add("pf-once", planner="pf", belief="particle_filter", attempts=1)
_add("robust-once", planner="robust", attempts=1)
