"""One grasp trial without ROS: approach, close under a method's control, lift, test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vnb_benchmark.control import ControlChain, ControlStep
from vnb_benchmark.starts import recall
from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.bridge import GroundTruth, SimBridge, StressReport
from vnb_sim_bridge.pregrasp.approach import Approach, approach_motions
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario

MAX_STEPS = 80
FIRST_REST = 0.2
APPROACH_REST = 0.12
LIFT_DURATION = 1.0
LIFT_REST = 0.2
"""Rests are whole decision periods [s]: time advances by nothing less when the parts are nodes."""


@dataclass(frozen=True)
class Step:
    """One decision step: what the chain computed from the readings, and the truth beside it (recorded only)."""

    control: ControlStep
    truth: GroundTruth


@dataclass(frozen=True)
class Episode:
    """A finished trial."""

    scenario: Scenario
    pregrasp: int
    steps: tuple[Step, ...]
    stop_reason: str
    report: StressReport


def run_approach(bridge: SimBridge, approach: Approach, *, teleport: bool) -> None:
    """Bring the preshaped hand to the pre-grasp, along the planned way or (``teleport``) at once."""
    if teleport:
        bridge.world.teleport_arm(approach.arm_q)
        bridge.world.teleport_hand(approach.pregrasp.preshape())
    else:
        for hand_target, duration, arm_goals in approach_motions(approach):
            _finish(bridge.run_hand(hand_target, duration))
            for goal, speed_scale in arm_goals:
                _finish(bridge.run_arm(bridge.plan_joint_motion(goal, speed_scale)))
    bridge.settle(APPROACH_REST)


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
            with the same future bit for bit. ``scene`` must then plan as it did before.
        qualities: Compute the grasp quality of the true contacts, which takes a third of the time, at every step, or
            at the last one only.

    Raises:
        MotionError: If no pre-grasp can be reached.
        VnbError: If the planner raises or decides what no hand can follow.
    """
    chain.reset()
    scene = scene or PlanningScene(scenario.object_name, scenario.hand)

    def start() -> Approach:
        return _start(bridge, scenario, scene, pregrasp, teleport=teleport)

    approach = recall(bridge, (scenario, pregrasp, teleport), start) if remember else start()
    frame = bridge.begin_grasp(latency)
    steps: list[Step] = []
    reason = "step_limit"
    for n in range(max_steps + 1):
        control = chain.step(frame, scenario.seed)
        decision = control.decision
        step = Step(control, bridge.ground_truth(quality=qualities or decision.stop or n == max_steps))
        steps.append(step)
        if on_step is not None:
            on_step(step)
        if decision.stop:
            reason = decision.stop_reason
            break
        frame = bridge.decide(n, decision.action.double().numpy(), decision.effort_limit.double().numpy())
    run_lift(bridge, scene.lift_pose(approach.arm_q))
    report = bridge.stress_test(battery=battery, disturbance_scale=disturbance_scale)
    return Episode(scenario, approach.pregrasp.index, tuple(steps), reason, report)


def _start(
    bridge: SimBridge, scenario: Scenario, scene: PlanningScene, pregrasp: int | None, *, teleport: bool
) -> Approach:
    bridge.reset(scenario)
    bridge.settle(FIRST_REST)
    reading = bridge.sensors.read(0)
    approach = scene.choose_approach(reading.object_pose, reading.arm_q, only=pregrasp)
    run_approach(bridge, approach, teleport=teleport)
    return approach
