"""Pictures of episodes: the case is run again with its method, and filmed."""

from __future__ import annotations

import torch

from vnb_benchmark.methods.registry import make_method
from vnb_benchmark.outcome import Outcome
from vnb_benchmark.scenarios.case import CaseSet
from vnb_benchmark.vision import pose_source_maker
from vnb_grasp.errors import VnbError
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.render.film import Filmer, FilmSettings
from vnb_sim_bridge.render.gl import open_context
from vnb_sim_bridge.render.observed import ObservedBridge
from vnb_sim_bridge.world.world import World

_SIZE = FilmSettings(still=(640, 480))


class _Stills(Filmer):
    """A filmer that keeps no frames: only stills are shown."""

    def frame(self, world: World) -> None:
        """See :class:`vnb_sim_bridge.render.observed.Observer`."""


def why_not() -> str:
    """Return why this machine cannot draw; empty if it can."""
    try:
        open_context(64, 64).free()
    except VnbError as error:
        return str(error)
    return ""


class Renderer:
    """Replays episodes of a scenario set and returns the last picture of each as PNG.

    Args:
        cases: The set that the outcomes are of.
        pose_source: What estimated the object's pose in them.
    """

    def __init__(self, cases: CaseSet, pose_source: str = "sensor") -> None:
        self._cases = cases
        self._make_pose_source = pose_source_maker(pose_source)

    def __call__(self, outcome: Outcome) -> bytes | None:
        """Return the picture; None if the episode does not end as it did then."""
        case = self._cases.cases[outcome.case]
        torch.set_num_threads(1)  # as the benchmark's workers do, so that the same sums are taken
        filmer = _Stills()
        scenario = case.scenario
        try:
            bridge = ObservedBridge(
                scenario, case.parameters, observers=(filmer,), make_pose_source=self._make_pose_source
            )
            scene = PlanningScene(scenario.object_name, scenario.hand)
            episode = make_method(outcome.method).run(bridge, scene, case, outcome.beta)
            if episode.report.failure_mode != outcome.failure_mode:  # another machine may round differently
                return None
            pictures = filmer.develop(_SIZE).pictures
        except Exception:  # noqa: BLE001 (whatever a method does wrong, the report is not the place to end by it)
            return None
        return next((pictures[name] for name in ("lifted", "closed", "before") if name in pictures), None)
