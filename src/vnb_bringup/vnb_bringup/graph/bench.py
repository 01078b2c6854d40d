"""Benchmark episodes through the node graph."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace

from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_benchmark.methods.registry import make_method
from vnb_benchmark.outcome import Outcome
from vnb_benchmark.running.measure import StepFacts, TrialFacts, outcome_of_facts, verdict_facts
from vnb_benchmark.running.tasks import Task
from vnb_benchmark.running.worker import attempt
from vnb_bringup.graph.composition import Graph, composed_graph
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_grasp.errors import ConfigError, VnbError


class GraphExecutor:
    """Runs tasks through a composed graph, which is kept as long as tasks need the same one.

    Args:
        pose_source: What estimates the object's pose.
    """

    def __init__(self, pose_source: str = "sensor") -> None:
        self._pose_source = pose_source
        self._settings: GraphSettings | None = None
        self._running: AbstractContextManager[Graph] | None = None
        self._graph: Graph | None = None

    def run(self, task: Task) -> Outcome:
        """See :class:`vnb_benchmark.running.worker.Executor`."""
        outcome = attempt(task, self._episode)
        if outcome.error:
            self.close()  # what state an error has left the nodes in is not known
        return outcome

    def close(self) -> None:
        """End the graph."""
        running, self._running, self._graph, self._settings = self._running, None, None, None
        if running is not None:
            running.__exit__(None, None, None)

    def _episode(self, task: Task, started: float) -> Outcome:
        case, method = task.case, planner_method(task.method)
        scenario = case.scenario
        settings = trial_settings(task, method)
        conditions = replace(case.conditions, pose_source=self._pose_source)
        settings = replace(settings, conditions=conditions)
        graph = self._graph_of(
            GraphSettings(scenario.object_name, scenario.hand, method.belief, method.checkpoint, conditions=conditions)
        )
        record = graph.conductor.run(scenario, settings)
        if record.error_code:
            raise VnbError(record.error_message)
        facts = facts_of_record(record)
        return outcome_of_facts(case, task.method, task.beta, facts, time.perf_counter() - started)

    def _graph_of(self, settings: GraphSettings) -> Graph:
        if self._graph is None or settings != self._settings:
            self.close()
            self._running, self._settings = composed_graph(settings), settings
            self._graph = self._running.__enter__()
        return self._graph


def planner_method(name: str) -> PlannerMethod:
    """Return the method of this name if the graph can run it.

    Raises:
        ConfigError: If it is not just a planner on a belief, or needs parameters that no message carries.
    """
    method = make_method(name)
    plain = isinstance(method, PlannerMethod) and not method.parameters and method.pregrasp is None
    if not plain or not isinstance(method, PlannerMethod) or not isinstance(method.planner, str):
        raise ConfigError(
            f"--via-ros: got method {name!r}, expected one that is a planner of the graph with its own parameters "
            "(vnb, scripted, ...); run this one without --via-ros"
        )
    return method


def trial_settings(task: Task, method: PlannerMethod) -> TrialSettings:
    """Return what the conductor is told; planners without a beta look at none, but the message needs a number."""
    beta = task.beta if method.uses_beta else TrialSettings.beta
    return TrialSettings(
        str(method.planner),
        method.belief,
        beta,
        method.checkpoint,
        rule=method.rule,
        conditions=task.case.conditions,
    )


def facts_of_record(record: TrialRecord) -> TrialFacts:
    """Return the plain values of a trial's record, equal to those of the same episode without middleware.

    Raises:
        VnbError: If the trial has no verdict.
    """
    if record.verdict is None:
        raise VnbError(f"the trial ended without a verdict: {record.error_message or 'no error was given'}")
    steps = tuple(_facts_of_step(step) for step in record.steps)
    verdict = verdict_facts(record.verdict)
    return TrialFacts(record.pregrasp, record.stop_reason, steps, verdict, record.attempts, record.abstained)


def _facts_of_step(step: StepRecord) -> StepFacts:
    return StepFacts(
        step=step.step,
        force=step.force_sensed,
        contact=step.contact,
        epsilon_hat=step.epsilon_hat,
        epsilon_true=step.epsilon_true,
        force_true=step.force_true,
        object_position=step.object_position,
        logits=step.logits,
        means=step.means,
        log_stds=step.log_stds,
        action=step.action,
        p_fail=step.p_fail,
        planning_time=step.planning_time,
    )
