"""Run a trial through the node graph, composed in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

from vnb_bringup.graph.composition import composed_graph
from vnb_bringup.graph.recording import recorded
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.report.from_episode import checkpoint_hash, versions
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_grasp.errors import BagError
from vnb_sim_bridge.render.observed import ObservedBridge, Observer
from vnb_sim_bridge.scenario import Scenario


class UnrecordedTrialError(BagError):
    """The trial came to its end, but its bag could not be written.

    Attributes:
        record: Of the trial.
    """

    def __init__(self, record: TrialRecord, reason: BagError) -> None:
        super().__init__(str(reason))
        self.record = record


def run_graph_trial(
    scenario: Scenario,
    settings: TrialSettings,
    *,
    observers: Sequence[Observer] = (),
    on_step: Callable[[StepRecord], None] | None = None,
    on_phase: Callable[[str], None] | None = None,
    bag: Path | None = None,
    storage: str = "mcap",
) -> TrialRecord:
    """Run one trial and return its record, which carries the error if one ended it.

    Args:
        scenario: What is drawn.
        settings: Method, belief and the rest.
        observers: Who watches the world (a film, say); called in the world's thread.
        on_step: Called after every decision, in a thread of the graph.
        on_phase: Called with ``approach``, ``closing``, ``lift`` and ``tests`` as each begins.
        bag: Folder of a bag that all topics are recorded into; None records nothing.
        storage: Of the bag: ``mcap`` or ``sqlite3``.

    Raises:
        VnbError: If a node cannot be made, or the recorder does not start.
        UnrecordedTrialError: If the trial ran, but the bag could not be written; it carries the record.
    """
    graph_settings = GraphSettings(
        scenario.object_name, scenario.hand, settings.belief, settings.checkpoint, conditions=settings.conditions
    )
    record = None
    try:
        with (
            composed_graph(graph_settings, partial(ObservedBridge, observers=tuple(observers))) as graph,
            nullcontext() if bag is None else recorded(graph, bag, storage, _notes(scenario, settings)),
        ):
            record = graph.conductor.run(scenario, settings, on_step=on_step, on_phase=on_phase)
    except BagError as error:
        if record is None:
            raise
        raise UnrecordedTrialError(record, error) from error
    return record


def _notes(scenario: Scenario, settings: TrialSettings) -> dict[str, str]:
    """Return what a bag must tell of a trial besides its messages."""
    return {
        "scenario": json.dumps(asdict(scenario)),
        "checkpoint_sha256": checkpoint_hash(settings.belief, settings.checkpoint),
        "versions": json.dumps(versions()),
    }
