"""Feeds recorded messages to belief and planner, by the same objects and conversions as their nodes."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from vnb_msgs.msg import Belief, GraspGoal, HandCommand, PlannerStatus

from vnb_belief.beliefs import BELIEFS, BeliefContext
from vnb_belief.nodes.follower import BeliefFollower, answer_to
from vnb_belief.nodes.messages import fill_belief
from vnb_bringup.replay.recording import Grasp, Key, Recording, key_of
from vnb_grasp.description import HandDescription, load_hand, load_object
from vnb_grasp.errors import BagError, VnbError
from vnb_grasp.nodes.join import StampJoin
from vnb_planner.nodes.messages import goal_parameters, plan_input, status_message, velocity_command
from vnb_planner.planners import check_decision
from vnb_planner.planners.factory import make_planner

SOURCES = ("observation", "belief")


@dataclass(frozen=True)
class ReplaySettings:
    """What is computed again, and with what; None is as recorded.

    Attributes:
        source: ``observation``: belief and decisions; ``belief``: only the decisions, on the recorded beliefs.
        method: Planner.
        beta: Confidence level of its risk.
        belief: Belief name.
        checkpoint: Of the belief.
    """

    source: str = "observation"
    method: str | None = None
    beta: float | None = None
    belief: str | None = None
    checkpoint: Path | None = None

    @property
    def plain(self) -> bool:
        """Whether everything is as recorded."""
        return self.method is None and self.beta is None and self.belief is None and self.checkpoint is None


@dataclass
class GraspReplay:
    """One grasp computed again.

    Attributes:
        recorded: The grasp as it was.
        goal: What was asked for this time.
        statuses: What the planner decides at each recorded step, by key, up to where it stops.
        commands: What it sends, by key.
        recorded_commands: What was sent, by key.
        error: What ended the computation early; empty if nothing did.
    """

    recorded: Grasp
    goal: GraspGoal
    statuses: dict[Key, PlannerStatus] = field(default_factory=dict)
    commands: dict[Key, HandCommand] = field(default_factory=dict)
    recorded_commands: dict[Key, HandCommand] = field(default_factory=dict)
    error: str = ""


@dataclass
class Replay:
    """A bag computed again.

    Attributes:
        settings: With what.
        grasps: In order.
        beliefs: Pairs of recorded and computed belief; one is None where it has no counterpart.
    """

    settings: ReplaySettings
    grasps: list[GraspReplay] = field(default_factory=list)
    beliefs: list[tuple[Belief | None, Belief | None]] = field(default_factory=list)


def replay(recording: Recording, settings: ReplaySettings) -> Replay:
    """Compute a recording again.

    Raises:
        BagError: If the bag holds no grasp, or does not tell what is needed.
        UnknownNameError: If there is no such method or belief.
    """
    if not recording.grasps:
        raise BagError(f"bag {recording.path}: holds no grasp, that is no decision of a planner after its goal")
    torch.set_num_threads(1)  # as in the graph: another number of threads gives other sums
    hand = load_hand(recording.grasps[0].goal.hand)
    result = Replay(settings)
    beliefs = _Beliefs(recording, settings, hand) if settings.source == "observation" else None
    decisions = _Decisions(recording, settings, hand, result)
    join = StampJoin(("belief", "observation", "quality", "target"), decisions.take)
    recorded: dict[Key, deque[Belief]] = defaultdict(deque)
    computed: dict[Key, deque[Belief]] = defaultdict(deque)

    def take_belief(message: Belief | None) -> None:
        if message is not None:
            _pair(message, computed, recorded, result.beliefs, mine=True)
            join.add("belief", message)

    for topic, message in recording.messages():
        if topic == "observation":
            join.add("observation", message)
            take_belief(beliefs.observe(message) if beliefs else None)
        elif topic == "hand/command":
            decisions.note_command(message)
            take_belief(beliefs.command(message) if beliefs else None)
        elif topic == "grasp_quality":
            join.add("quality", message)
        elif topic == "hand/target":
            join.add("target", message)
        elif topic == "belief" and beliefs is None:
            join.add("belief", message)
        elif topic == "belief":
            _pair(message, recorded, computed, result.beliefs, mine=False)
    result.beliefs += [(message, None) for waiting in recorded.values() for message in waiting]
    result.beliefs += [(None, message) for waiting in computed.values() for message in waiting]
    return result


def _pair(
    message: Belief,
    own: dict[Key, deque[Belief]],
    others: dict[Key, deque[Belief]],
    pairs: list[tuple[Belief | None, Belief | None]],
    *,
    mine: bool,
) -> None:
    """Pair a belief with its counterpart if that has come, or let it wait; equal keys keep their order."""
    key = key_of(message)
    if not others[key]:
        own[key].append(message)
        return
    other = others[key].popleft()
    pairs.append((other, message) if mine else (message, other))


class _Beliefs:
    """Stands for the belief's node."""

    def __init__(self, recording: Recording, settings: ReplaySettings, hand: HandDescription) -> None:
        facts = recording.facts
        self._hand = hand
        self._kind = settings.belief or str(facts.of("belief", "belief", "learned"))
        self._checkpoint = settings.checkpoint or self._recorded_checkpoint(recording, settings)
        self._seed = int(facts.of("belief", "seed", 0))
        self._follower = BeliefFollower(hand, self._make, bool(facts.of("belief", "lockstep", True)))

    def _recorded_checkpoint(self, recording: Recording, settings: ReplaySettings) -> Path | None:
        """Return the checkpoint that the recording was made with; None is the shipped one, as for another belief."""
        told = str(recording.facts.of("belief", "checkpoint", ""))
        if not told or settings.belief is not None:
            return None
        path = Path(told)
        if not path.is_file():
            raise BagError(
                f"bag {recording.path}: its belief had the checkpoint {path}, which is not here; name it with "
                "--checkpoint"
            )
        return path

    def _make(self, object_name: str) -> Any:
        obj = load_object(object_name) if object_name else None
        return BELIEFS[self._kind](BeliefContext(self._hand, obj, self._checkpoint, self._seed))

    def observe(self, message: Any) -> Belief | None:
        return self._answer(self._follower.take_observation(message))

    def command(self, message: Any) -> Belief | None:
        return self._answer(self._follower.take_command(message))

    def _answer(self, message: Any) -> Belief | None:
        if message is None:
            return None
        answer = answer_to(message, self._kind)
        try:
            fill_belief(answer, *self._follower.follow(message))
        except VnbError as error:  # as its node does
            answer.error_code, answer.error_message = error.code, str(error)
        return answer


class _Decisions:
    """Stands for the planner's node: decides at the steps at which it did."""

    def __init__(self, recording: Recording, settings: ReplaySettings, hand: HandDescription, result: Replay) -> None:
        self._hand = hand
        self._settings = settings
        self._result = result
        self._left = deque(recording.grasps)
        self._due: deque[Key] = deque()
        self._planner: Any = None
        self._commands: dict[Key, HandCommand] = {}

    def note_command(self, message: HandCommand) -> None:
        self._commands[key_of(message)] = message
        if self._result.grasps:
            self._result.grasps[-1].recorded_commands.update(self._commands)

    def take(self, parts: dict[str, Any]) -> None:
        key = key_of(parts["belief"])
        if not self._due and self._left and key == key_of(self._left[0].decisions[0]):
            self._begin(self._left.popleft())
        if self._due and key == self._due[0]:
            self._due.popleft()
            self._decide(self._result.grasps[-1], key, parts)

    def _begin(self, grasp: Grasp) -> None:
        goal = self._goal(grasp.goal)
        self._due = deque(key_of(status) for status in grasp.decisions)
        self._commands = {key: value for key, value in self._commands.items() if key in self._due}
        self._result.grasps.append(GraspReplay(grasp, goal, recorded_commands=dict(self._commands)))
        self._planner = make_planner(goal.method, self._hand, load_object(goal.object_name), goal_parameters(goal))
        self._planner.reset()

    def _goal(self, recorded: GraspGoal) -> GraspGoal:
        goal = GraspGoal(**{name: getattr(recorded, name) for name in recorded.get_fields_and_field_types()})
        if self._settings.method is not None:
            goal.method = self._settings.method
        if self._settings.beta is not None:
            goal.beta = self._settings.beta
        return goal

    def _decide(self, grasp: GraspReplay, key: Key, parts: dict[str, Any]) -> None:
        if self._planner is None:
            return
        step = key[1]
        try:
            if parts["belief"].error_code:
                raise BagError(f"the belief of step {step} failed: {parts['belief'].error_message}")
            given = plan_input(parts, self._hand, step, grasp.goal, math.inf)
            decision = check_decision(self._planner.plan(given), grasp.goal.method, step)
        except VnbError as error:
            grasp.error = str(error)
            self._planner = None
            return
        grasp.statuses[key] = status_message(decision, parts, grasp.goal.method)
        if decision.stop:
            self._planner = None
        else:
            grasp.commands[key] = velocity_command(decision, parts["belief"].header.stamp, step, self._hand)
