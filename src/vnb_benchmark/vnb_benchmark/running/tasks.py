"""What there is to do: every method on every case at every beta, minus what a store holds already."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from vnb_benchmark.scenarios.case import Case, CaseSet

Key = tuple[int, str, str]
"""Case index, method and :func:`beta_text`; NaN as a key would not equal itself."""


def beta_text(beta: float) -> str:
    """Return a confidence level as the exact text that keys use; empty for NaN, which says that none is used."""
    return "" if math.isnan(beta) else repr(float(beta))


def beta_value(text: str) -> float:
    """Return the confidence level that :func:`beta_text` wrote."""
    return float(text) if text else math.nan


@dataclass(frozen=True)
class Task:
    """One episode to run: a method on a case at a beta (NaN if the method uses none)."""

    case: Case
    method: str
    beta: float

    @property
    def key(self) -> Key:
        """What tells this episode from every other one of the set."""
        return self.case.index, self.method, beta_text(self.beta)

    @property
    def world(self) -> tuple[str, str, float, str]:
        """What decides which simulated world, and which method object, a worker needs for this task."""
        scenario = self.case.scenario
        return scenario.object_name, scenario.hand, scenario.torque_scale, repr(self.case.parameters)


def tasks_to_do(
    cases: CaseSet, methods: Sequence[str], uses_beta: Callable[[str], bool], stored: Collection[Key] = ()
) -> list[Task]:
    """Return the tasks that are not stored, those of one world side by side.

    Args:
        cases: The scenario set with its betas.
        methods: Names of the methods; one that is named twice is run once.
        uses_beta: Whether a method of this name depends on beta; if not, it is run once per case with beta NaN.
        stored: Keys of the episodes that are done.
    """
    done = set(stored)
    betas = {name: tuple(dict.fromkeys(cases.betas)) if uses_beta(name) else (math.nan,) for name in methods}
    every = (Task(case, name, beta) for case in cases.cases for name, values in betas.items() for beta in values)
    # Python's sort is stable, so cases stay in order within a world.
    return sorted((task for task in every if task.key not in done), key=lambda task: task.world)


class TaskQueue:
    """Hands tasks out so that a worker stays with one world as long as there is work on it.

    Args:
        tasks: In the order in which they should be done.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._groups: dict[tuple[str, str, float, str], list[Task]] = {}
        for task in tasks:
            self._groups.setdefault(task.world, []).append(task)
        for group in self._groups.values():
            group.reverse()  # so that the next one is popped from the end
        self._at: dict[int, tuple[str, str, float, str]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def take(self, worker: int) -> Task | None:
        """Return the next task for a worker; None if nothing is left."""
        if not self._groups:
            return None
        world = self._at.get(worker)
        if world not in self._groups:
            busy = set(self._at.values())
            free = [name for name in self._groups if name not in busy]
            # Once every world has its worker, the longest list is shared, so that all end together.
            world = free[0] if free else max(self._groups, key=lambda name: len(self._groups[name]))
            self._at[worker] = world
        group = self._groups[world]
        task = group.pop()
        if not group:
            del self._groups[world]
        return task
