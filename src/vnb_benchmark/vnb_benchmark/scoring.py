"""How two grasps of the same case are compared: robust first, then survival, then the gentler one."""

from __future__ import annotations

from dataclasses import dataclass

from vnb_sim_bridge.bridge import StressReport


@dataclass(frozen=True, order=True)
class Score:
    """Ordered: a greater score is a better grasp.

    Attributes:
        robust: Nominal success, at least half of the battery, no more force than the object bears.
        survival: Share of the battery survived; 0 if the object was not lifted.
        gentleness: Peak force relative to what the object bears, negated.
    """

    robust: bool
    survival: float
    gentleness: float


def score(report: StressReport, force_cap: float) -> Score:
    """Return the score of a verdict for an object that bears ``force_cap`` [N]."""
    robust = report.nominal and report.survival >= 0.5 and report.peak_force <= force_cap
    return Score(robust, report.survival, -report.peak_force / force_cap)
