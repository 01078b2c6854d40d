"""The ceiling of the methods: tries several in the simulator, on the very case it is judged on; the best counts.

No robot can do this. The simulator is deterministic, so a trial that was tried is the trial that is judged.
Candidates, in order:

1. the plain ``scripted``, ``tuned`` and ``squeeze`` methods from the pre-grasp that they would choose themselves, so
   the oracle is never below any of the three;
2. a gentle script from that pre-grasp, for objects that bear little, and the planners ``robust`` and ``vnb``;
3. ``tuned``, then ``squeeze``, from every other pre-grasp of the library, best first.

At most :data:`MAX_CANDIDATES` are tried, and none after one that is robust and survives :data:`ENOUGH` of the battery.
The best of these candidates bounds them, not every conceivable motion: a planner that adapts may beat it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vnb_benchmark.episode import Episode
from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_benchmark.scenarios.case import Case
from vnb_benchmark.scoring import Score, score
from vnb_grasp.description import load_object
from vnb_grasp.errors import MotionError, SimulationError
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.library import load_pregrasps
from vnb_sim_bridge.pregrasp.scene import PlanningScene

MAX_CANDIDATES = 12
ENOUGH = 0.9
GENTLE = {"squeeze": 0.35, "thumb_squeeze": 0.0}


@dataclass(frozen=True)
class Candidate:
    """A closing setting by name, and the pre-grasp that it starts from; None takes the best that can be reached."""

    setting: str
    pregrasp: int | None = None


def candidates(pregrasps: int) -> Iterator[Candidate]:
    """Return the candidates for a library of that many entries in their order, before the cap."""
    yield from (Candidate(setting) for setting in ("scripted", "tuned", "squeeze", "gentle", "robust", "vnb"))
    for setting in ("tuned", "squeeze"):
        yield from (Candidate(setting, i) for i in range(pregrasps))


class OracleMethod:
    """Returns the best episode of the candidates by (robust, survival, gentleness); the first of equals.

    Args:
        max_candidates: Candidates at most.
        enough: Battery survival at which a robust candidate ends the search.
        attempt: Runs one candidate; replaced in tests.
    """

    uses_beta = False

    def __init__(
        self,
        max_candidates: int = MAX_CANDIDATES,
        enough: float = ENOUGH,
        attempt: Callable[[SimBridge, PlanningScene, Case, Candidate], Episode] | None = None,
    ) -> None:
        self.max_candidates = max_candidates
        self.enough = enough
        self._attempt = attempt or self._run_candidate
        self._methods = {
            "scripted": PlannerMethod("scripted", "prior"),
            "tuned": PlannerMethod("tuned", "prior"),
            "squeeze": PlannerMethod("squeeze", "prior"),
            "gentle": PlannerMethod("scripted", "prior", GENTLE),
            "robust": PlannerMethod("robust"),
            "vnb": PlannerMethod("vnb"),
        }

    def run(self, bridge: SimBridge, scene: PlanningScene, case: Case, beta: float) -> Episode:
        """See :class:`vnb_benchmark.methods.interface.Method`.

        Raises:
            MotionError: If no candidate's pre-grasp can be reached.
            SimulationError: If every candidate that can be reached makes the simulation fail.
        """
        scenario = case.scenario
        cap = load_object(scenario.object_name).force_cap
        pregrasps = len(load_pregrasps(scenario.object_name, scenario.hand))
        best: tuple[Score, Episode] | None = None
        chosen: int | None = None
        failure: MotionError | SimulationError | None = None
        tried = 0
        for candidate in candidates(pregrasps):
            if tried == self.max_candidates:
                break
            if candidate.pregrasp is not None and candidate.pregrasp == chosen:
                continue  # tried already, as the robot's own choice
            tried += 1
            try:
                episode = self._attempt(bridge, scene, case, candidate)
            except (MotionError, SimulationError) as error:  # this candidate is none; another may be
                failure = failure or error
                continue
            if candidate.pregrasp is None:
                chosen = episode.pregrasp
            found = score(episode.report, cap)
            if best is None or found > best[0]:
                best = (found, episode)
            if found.robust and found.survival >= self.enough:
                break
        if best is None:
            raise failure or MotionError(f"the oracle got no candidate for case {case.index}; expected at least one")
        return best[1]

    def _run_candidate(self, bridge: SimBridge, scene: PlanningScene, case: Case, candidate: Candidate) -> Episode:
        return self._methods[candidate.setting].run_from(bridge, scene, case, math.nan, candidate.pregrasp)
