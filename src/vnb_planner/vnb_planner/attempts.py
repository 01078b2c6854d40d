"""After closing: lift, take the object again from another pre-grasp, or abstain.

The rule looks at one number, the predicted failure probability of the grasp at hand, and at what the library promises
for another one under the friction that is believed by now. Squeezing more and probing come before it: the planner does
both until it is content or nothing changes any more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from vnb_planner.config import require_count, require_in


class Choice(Enum):
    """What to do with a closed grasp."""

    LIFT = "lift"
    REGRASP = "regrasp"
    ABSTAIN = "abstain"


@dataclass(frozen=True)
class AttemptRule:
    """When a grasp is accepted, and when it is worth another attempt.

    Attributes:
        delta: Largest acceptable failure probability.
        attempts: Attempts at most, the first included; 1 never takes an object again.
        margin: By how much [probability] another pre-grasp must promise to fail less, as every attempt has its own
            risk and takes time.
    """

    delta: float = 0.2
    attempts: int = 2
    margin: float = 0.1

    def __post_init__(self) -> None:
        require_in("delta", self.delta, 0.0, 1.0)
        require_count("attempts", self.attempts, 1)
        require_in("margin", self.margin, 0.0, 1.0)

    def judge(self, p_fail: float, attempt: int, best_other: float = math.nan) -> Choice:
        """Return what to do.

        Args:
            p_fail: Predicted failure probability of the grasp at hand; NaN for methods that predict none, which lift.
            attempt: Number of this attempt, from 1.
            best_other: Failure probability that the library promises for the best pre-grasp that is left; NaN if none
                is left or nothing is known.
        """
        require_count("attempt", attempt, 1)
        if math.isnan(p_fail) or p_fail <= self.delta:
            return Choice.LIFT
        if attempt < self.attempts and not math.isnan(best_other) and best_other + self.margin < p_fail:
            return Choice.REGRASP
        return Choice.ABSTAIN
