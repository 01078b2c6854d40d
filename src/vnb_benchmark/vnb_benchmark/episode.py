"""One grasp trial without ROS: approach, close under a method's control, lift, test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_benchmark.control import ControlChain, ControlStep
from vnb_grasp.errors import MotionError
from vnb_sim_bridge.bridge import GroundTruth, SimBridge, StressReport
from vnb_sim_bridge.pregrasp.approach import Approach, plan_approach
from vnb_sim_bridge.pregrasp.library import load_pregrasps
from vnb_sim_bridge.scenario import Scenario

Array = NDArray[np.float64]

MAX_STEPS = 80
LIFT_DURATION = 1.0
LIFT_REST = 0.2


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


def choose_approach(bridge: SimBridge, T_world_object: Array) -> Approach:  # noqa: N803 - transform name
    """Return the best pre-grasp of the library that can be reached, placed at the estimated object pose.

    Raises:
        MotionError: If none can be reached.
    """
    scenario = bridge.world.scenario
    reasons = []
    for pregrasp in load_pregrasps(scenario.object_name, scenario.hand):
        try:
            return plan_approach(bridge.kinematics, pregrasp, T_world_object, bridge.world.arm_q())
        except MotionError as error:
            reasons.append(str(error))
    raise MotionError(f"no pre-grasp of {scenario.object_name} can be reached: {'; '.join(reasons)}")


def run_approach(bridge: SimBridge, approach: Approach, *, teleport: bool) -> None:
    """Bring the preshaped hand to the pre-grasp, along the planned way or (``teleport``) at once."""
    if teleport:
        bridge.world.teleport_arm(approach.arm_q)
        bridge.world.teleport_hand(approach.pregrasp.preshape())
        bridge.settle(0.1)
        return
    bridge.preshape(approach.approach_hand, 0.4)
    for goal, speed_scale in (*((q, 0.5) for q in approach.via), (approach.retreat_q, 0.5), (approach.arm_q, 0.2)):
        for _ in bridge.run_arm(bridge.plan_joint_motion(goal, speed_scale)):
            pass
    bridge.preshape(approach.pregrasp.preshape(), 1.0)
    bridge.settle(0.1)


def run_lift(bridge: SimBridge) -> None:
    """Lift 5 cm in 1 s and let the object come to rest."""
    for _ in bridge.run_arm(bridge.plan_linear_motion(bridge.lift_pose(), 1.0, LIFT_DURATION)):
        pass
    bridge.settle(LIFT_REST)


def run_episode(
    bridge: SimBridge,
    chain: ControlChain,
    scenario: Scenario,
    *,
    max_steps: int = MAX_STEPS,
    teleport: bool = True,
    battery: bool = True,
    on_step: Callable[[Step], None] | None = None,
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

    Raises:
        MotionError: If no pre-grasp can be reached.
    """
    bridge.reset(scenario)
    chain.reset()
    bridge.settle(0.2)
    approach = choose_approach(bridge, bridge.sensors.read(0).T_world_object)
    run_approach(bridge, approach, teleport=teleport)
    frame = bridge.begin_grasp()
    steps: list[Step] = []
    reason = "step_limit"
    for n in range(max_steps + 1):
        step = Step(chain.step(frame, scenario.seed), bridge.ground_truth())
        steps.append(step)
        if on_step is not None:
            on_step(step)
        decision = step.control.decision
        if decision.stop:
            reason = decision.stop_reason
            break
        frame = bridge.decide(n, decision.action.double().numpy(), decision.effort_limit.double().numpy())
    run_lift(bridge)
    return Episode(scenario, approach.pregrasp.index, tuple(steps), reason, bridge.stress_test(battery=battery))
