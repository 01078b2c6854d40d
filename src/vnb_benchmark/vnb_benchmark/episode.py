"""One grasp trial without ROS: approach, close under a method's control, perhaps take it again, lift, test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_benchmark.attempts import Attempts, promise_of
from vnb_benchmark.control import ControlChain, ControlStep
from vnb_benchmark.starts import recall
from vnb_grasp.errors import MotionError, PerceptionError
from vnb_grasp.frames.pose import Pose
from vnb_planner.attempts import AttemptRule, Choice
from vnb_sim_bridge.bridge import GroundTruth, SimBridge, StressReport
from vnb_sim_bridge.pregrasp.approach import Approach, Motion, approach_motions, release_motions
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.sensors.frame import SensorFrame

Array = NDArray[np.float64]

MAX_STEPS = 80
FIRST_REST = 0.2
APPROACH_REST = 0.12
LIFT_DURATION = 1.0
LIFT_REST = 0.2
"""Rests are whole decision periods [s]: time advances by nothing less when the parts are nodes."""


@dataclass(frozen=True)
class Step:
    """One decision step: the readings, what the chain computed from them, and the truth beside it (recorded only)."""

    control: ControlStep
    truth: GroundTruth
    frame: SensorFrame


@dataclass(frozen=True)
class Episode:
    """A finished trial.

    Attributes:
        scenario: What was drawn.
        pregrasp: Index of the pre-grasp that was closed from last.
        steps: Decision steps of all attempts; their numbers start again with every attempt.
        stop_reason: Why the last closing ended.
        report: Choice of lift and tests.
        attempts: Times that the object was taken.
        abstained: The method declined to lift; the grasp was lifted and tested all the same, to learn what declining
            was worth.
        saved_time: What the way to the object took when it was simulated, if it was remembered now, else 0 [s].
    """

    scenario: Scenario
    pregrasp: int
    steps: tuple[Step, ...]
    stop_reason: str
    report: StressReport
    attempts: int = 1
    abstained: bool = False
    saved_time: float = 0.0


def run_approach(bridge: SimBridge, approach: Approach, *, teleport: bool) -> None:
    """Bring the preshaped hand to the pre-grasp, along the planned way or (``teleport``) at once."""
    if teleport:
        bridge.world.teleport_arm(approach.arm_q)
        bridge.world.teleport_hand(approach.pregrasp.preshape())
    else:
        _run_motions(bridge, approach_motions(approach))
    bridge.settle(APPROACH_REST)


def run_release(bridge: SimBridge, approach: Approach, home: Array) -> None:
    """Let the object go, bring the arm back to ``home`` (6,) [rad], and let the object come to rest."""
    _run_motions(bridge, release_motions(approach, home))
    bridge.settle(FIRST_REST)


def _run_motions(bridge: SimBridge, motions: tuple[Motion, ...]) -> None:
    for hand_target, duration, arm_goals in motions:
        _finish(bridge.run_hand(hand_target, duration))
        for goal, speed_scale in arm_goals:
            _finish(bridge.run_arm(bridge.plan_joint_motion(goal, speed_scale)))


def run_lift(bridge: SimBridge, pose: Pose) -> None:
    """Lift the hand to ``pose`` along a straight line and let the object come to rest."""
    _finish(bridge.run_arm(bridge.plan_linear_motion(pose.matrix().numpy(), 1.0, LIFT_DURATION)))
    bridge.settle(LIFT_REST)


def _finish(motion: Iterator[float]) -> None:
    for _ in motion:
        pass


def run_episode(
    bridge: SimBridge,
    chain: ControlChain,
    scenario: Scenario,
    *,
    max_steps: int = MAX_STEPS,
    teleport: bool = True,
    battery: bool = True,
    on_step: Callable[[Step], None] | None = None,
    scene: PlanningScene | None = None,
    pregrasp: int | None = None,
    latency: int | None = None,
    disturbance_scale: float | None = None,
    remember: bool = False,
    qualities: bool = True,
    rule: AttemptRule | None = None,
) -> Episode:
    """Run one trial.

    Args:
        bridge: The simulated robot; it is reset to the scenario.
        chain: The control chain for this scenario's hand and object.
        scenario: What is drawn.
        max_steps: Decision steps at most.
        teleport: Skip the arm's way to the pre-grasp (same start of the grasp, less time).
        battery: Run the 28-test battery after the nominal test.
        on_step: Called after every decision.
        scene: Where the approach is planned; made anew if None.
        pregrasp: Index of the library's pre-grasp to close from; None takes the best that can be reached.
        latency: Decision steps by which commands reach the fingers late; None is the bridge's.
        disturbance_scale: Factor on the forces and torques of the tests; None is the bridge's.
        remember: Keep where the approach ends with the bridge: the next method on the scenario starts there at once,
            with the same future bit for bit. ``scene`` must then plan as it did before. A pose source that remembers
            what it saw cannot be put back, so with one nothing is kept.
        qualities: Compute the grasp quality of the true contacts, which takes a third of the time, at every step, or
            at the last one of each attempt only.
        rule: When to take the object again or abstain; its default if None.

    Raises:
        MotionError: If no pre-grasp can be reached.
        VnbError: If the planner raises or decides what no hand can follow.
    """
    scene = scene or PlanningScene(scenario.object_name, scenario.hand)

    def start() -> Approach:
        return _start(bridge, scenario, scene, pregrasp, teleport=teleport)

    if remember and not bridge.sensors.pose.remembers:
        approach, saved_time = recall(bridge, scene, (scenario, pregrasp, teleport), start)
    else:
        approach, saved_time = start(), 0.0
    attempts = Attempts(rule or AttemptRule(), scene)
    steps: list[Step] = []
    empty = False

    def observe(step: Step) -> None:
        steps.append(step)
        if on_step is not None:
            on_step(step)

    while True:
        chain.reset(promise_of(approach))
        reason = _close(bridge, chain, scenario, max_steps, latency, qualities, observe)
        last = steps[-1].control
        choice = attempts.judge(last.decision.p_fail, last.belief, approach, last.decision.friction)
        if choice is not Choice.REGRASP:
            break
        run_release(bridge, approach, attempts.home)
        reading = bridge.sensors.read(0)
        try:
            approach = scene.choose_approach(reading.known_pose(), reading.arm_q, order=attempts.order)
        except (MotionError, PerceptionError):  # out of reach or sight now, perhaps toppled: nothing to lift
            empty, choice = True, Choice.ABSTAIN
            break
        run_approach(bridge, approach, teleport=False)
    if empty:
        bridge.settle(LIFT_REST)
    else:
        run_lift(bridge, scene.lift_pose(approach.arm_q))
    report = bridge.stress_test(battery=battery, disturbance_scale=disturbance_scale)
    return Episode(
        scenario,
        approach.pregrasp.index,
        tuple(steps),
        reason,
        report,
        attempts.made,
        choice is Choice.ABSTAIN,
        saved_time,
    )


def _close(
    bridge: SimBridge,
    chain: ControlChain,
    scenario: Scenario,
    max_steps: int,
    latency: int | None,
    qualities: bool,
    observe: Callable[[Step], None],
) -> str:
    """Close the fingers step by step; return why it ended."""
    frame = bridge.begin_grasp(latency)
    for n in range(max_steps + 1):
        control = chain.step(frame, scenario.seed)
        decision = control.decision
        truth = bridge.ground_truth(quality=qualities or decision.stop or n == max_steps)
        observe(Step(control, truth, frame))
        if decision.stop:
            return decision.stop_reason
        command = decision.action.double().numpy(), decision.effort_limit.double().numpy(), decision.lift_speed
        frame = bridge.decide(n, *command)
    return "step_limit"


def _start(
    bridge: SimBridge, scenario: Scenario, scene: PlanningScene, pregrasp: int | None, *, teleport: bool
) -> Approach:
    bridge.reset(scenario)
    bridge.settle(FIRST_REST)
    reading = bridge.sensors.read(0)
    approach = scene.choose_approach(reading.known_pose(), reading.arm_q, only=pregrasp)
    run_approach(bridge, approach, teleport=teleport)
    return approach
