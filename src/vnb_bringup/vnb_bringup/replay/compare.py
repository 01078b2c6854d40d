"""How recorded and computed messages differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vnb_bringup.replay.recompute import GraspReplay, Replay
from vnb_bringup.replay.recording import Key, key_of

WALL_CLOCK = frozenset(("planning_time", "deadline_met", "error_code", "error_message"))
"""Fields of a status that depend on how fast the machine was: a missed deadline is an error in it."""


@dataclass
class Difference:
    """Pairs of messages of one kind.

    Attributes:
        compared: Pairs.
        equal: Pairs that are equal to the bit.
        unpaired: Messages without a counterpart.
        fields: Largest difference by field, infinite where it is none of numbers.
        first: Stamp [s] and step of the first pair that differs; None if none does.
    """

    compared: int = 0
    equal: int = 0
    unpaired: int = 0
    fields: dict[str, float] = field(default_factory=dict)
    first: tuple[float, int] | None = None

    @property
    def exact(self) -> bool:
        """Whether all messages have an equal counterpart."""
        return self.compared == self.equal and self.unpaired == 0

    def add(self, recorded: Any, computed: Any, ignored: Iterable[str] = ()) -> None:
        """Compare two messages; None is a message that is not there."""
        if recorded is None or computed is None:
            self.unpaired += 1
            return
        self.compared += 1
        found = differences(recorded, computed, ignored)
        if not found:
            self.equal += 1
            return
        if self.first is None:
            stamp, step = key_of(recorded)
            self.first = (stamp / 1e9, step)
        for name, size in found.items():
            self.fields[name] = max(self.fields.get(name, 0.0), size)


@dataclass(frozen=True)
class StepChoice:
    """What was decided at a step, and what is decided now; NaN where nothing is.

    Attributes:
        step: Decision step.
        action: Largest difference of a joint's velocity [rad/s].
        cvar, p_fail: Recorded and computed.
    """

    step: int
    action: float
    cvar: tuple[float, float]
    p_fail: tuple[float, float]


@dataclass(frozen=True)
class GraspComparison:
    """One grasp.

    Attributes:
        replay: What was computed.
        decisions, commands: How they differ, up to where either planner stopped.
        steps: What was decided at each step that both reached.
        ended: How it ended as recorded, and as computed; empty: it would have gone on beyond the recording.
    """

    replay: GraspReplay
    decisions: Difference
    commands: Difference
    steps: tuple[StepChoice, ...]
    ended: tuple[str, str]


@dataclass(frozen=True)
class Comparison:
    """A bag computed again, compared."""

    beliefs: Difference
    grasps: tuple[GraspComparison, ...]

    @property
    def exact(self) -> bool:
        """Whether everything computed equals what was recorded."""
        parts = [self.beliefs] + [part for grasp in self.grasps for part in (grasp.decisions, grasp.commands)]
        return all(part.exact for part in parts) and all(not grasp.replay.error for grasp in self.grasps)


def compare(replay: Replay) -> Comparison:
    """Compare what was computed with what was recorded."""
    beliefs = Difference()
    for recorded, computed in replay.beliefs:
        beliefs.add(recorded, computed)
    return Comparison(beliefs, tuple(_compare_grasp(grasp) for grasp in replay.grasps))


def _compare_grasp(grasp: GraspReplay) -> GraspComparison:
    recorded = {key_of(status): status for status in grasp.recorded.decisions}
    decisions, commands = Difference(), Difference()
    steps = []
    for key, status in recorded.items():
        mine = grasp.statuses.get(key)
        decisions.add(status, mine, WALL_CLOCK)
        if mine is not None:
            steps.append(_choice(key, status, mine))
    sent = {key: command for key, command in grasp.recorded_commands.items() if key in recorded}
    for key in dict.fromkeys((*sent, *grasp.commands)):
        commands.add(sent.get(key), grasp.commands.get(key))
    last = list(recorded.values())[-1]
    mine = list(grasp.statuses.values())[-1] if grasp.statuses else None
    ended = (last.stop_reason, (mine.stop_reason if mine else "") or grasp.error)
    return GraspComparison(grasp, decisions, commands, tuple(steps), ended)


def _choice(key: Key, recorded: Any, computed: Any) -> StepChoice:
    pairs = zip(recorded.action, computed.action, strict=False)
    action = max((abs(a - b) for a, b in pairs), default=math.nan)
    return StepChoice(key[1], action, (recorded.cvar, computed.cvar), (recorded.p_fail, computed.p_fail))


def differences(recorded: Any, computed: Any, ignored: Iterable[str] = ()) -> dict[str, float]:
    """Return the fields in which two messages of one type differ and by how much; NaN equals NaN, 0.0 not -0.0."""
    found: dict[str, float] = {}
    for name in recorded.get_fields_and_field_types():
        if name not in ignored:
            size = _distance(getattr(recorded, name), getattr(computed, name))
            if size is not None:
                found[name] = size
    return found


def _distance(a: Any, b: Any) -> float | None:
    """Return how far two values are from each other; None if they are equal to the bit."""
    if hasattr(a, "get_fields_and_field_types"):
        return max(differences(a, b).values(), default=None)
    if isinstance(a, str | bytes | bool):
        return None if a == b else math.inf
    if isinstance(a, int | float):
        return _gap(float(a), float(b))
    first, second = list(a), list(b)
    if len(first) != len(second):
        return math.inf
    gaps = [gap for x, y in zip(first, second, strict=True) if (gap := _distance(_item(x), _item(y))) is not None]
    return max(gaps, default=None)


def _item(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _gap(a: float, b: float) -> float | None:
    if a.hex() == b.hex() or (math.isnan(a) and math.isnan(b)):
        return None
    gap = abs(a - b)
    return math.inf if math.isnan(gap) else gap


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return the values as JSON holds them: what is no number is None."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
