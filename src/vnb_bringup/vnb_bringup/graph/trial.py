"""Run a trial through the node graph, composed in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from vnb_bringup.graph.composition import composed_graph
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_sim_bridge.render.observed import ObservedBridge, Observer
from vnb_sim_bridge.scenario import Scenario


def run_graph_trial(
    scenario: Scenario,
    settings: TrialSettings,
    *,
    observers: Sequence[Observer] = (),
    on_step: Callable[[StepRecord], None] | None = None,
    on_phase: Callable[[str], None] | None = None,
) -> TrialRecord:
    """Run one trial and return its record, which carries the error if one ended it.

    Args:
        scenario: What is drawn.
        settings: Method, belief and the rest.
        observers: Who watches the world (a film, say); called in the world's thread.
        on_step: Called after every decision, in a thread of the graph.
        on_phase: Called with ``approach``, ``closing``, ``lift`` and ``tests`` as each begins.

    Raises:
        VnbError: If a node cannot be made.
    """
    graph_settings = GraphSettings(
        scenario.object_name, scenario.hand, settings.belief, settings.checkpoint, conditions=settings.conditions
    )
    with composed_graph(graph_settings, partial(ObservedBridge, observers=tuple(observers))) as graph:
        return graph.conductor.run(scenario, settings, on_step=on_step, on_phase=on_phase)
