"""Goals, decisions and what they need, from and to messages."""

from __future__ import annotations

import math
from typing import Any

import torch
from vnb_msgs.action import ExecuteGrasp
from vnb_msgs.msg import GraspGoal, HandCommand, PlannerStatus

from vnb_belief.nodes.messages import belief_from_message, observation_from_message
from vnb_grasp.description import HandDescription
from vnb_grasp.errors import ConfigError
from vnb_grasp.nodes.conversions import header, in_order
from vnb_planner.failure import Promise
from vnb_planner.planners import PLANNERS, Decision, PlanInput, parameter_names

_NOT_COMPUTED = math.nan


def goal_parameters(goal: ExecuteGrasp.Goal | GraspGoal) -> dict[str, Any]:
    """Return the parameters that a goal sets, of those that its method has.

    Raises:
        ConfigError: If a number of the goal is out of range.
    """
    if not 0.0 <= goal.beta < 1.0:
        raise ConfigError(f"execute_grasp: got beta {goal.beta}, expected 0 <= beta < 1")
    if not goal.deadline >= 0.0:
        raise ConfigError(f"execute_grasp: got a deadline of {goal.deadline} s, expected 0 (none) or more")
    given: dict[str, Any] = {"beta": goal.beta}
    if goal.max_steps > 0:
        given["max_steps"] = int(goal.max_steps)
    if not math.isnan(goal.epsilon_target):
        given["epsilon_des"] = goal.epsilon_target
    if not math.isnan(goal.p_fail_limit):
        given["delta"] = goal.p_fail_limit
    known = parameter_names(goal.method) if goal.method in PLANNERS else frozenset()
    return {name: value for name, value in given.items() if name in known}


def plan_input(
    parts: dict[str, Any], hand: HandDescription, step: int, goal: ExecuteGrasp.Goal | GraspGoal, deadline: float
) -> PlanInput:
    """Return what the planner may know, from the messages ``belief``, ``observation``, ``quality`` and ``target``.

    Raises:
        VnbError: If a message cannot be used; the code says why.
    """
    observation = observation_from_message(parts["observation"], hand.joint_names)
    target, quality = parts["target"], parts["quality"]
    actuated = [joint.name for joint in hand.actuated]
    return PlanInput(
        belief=belief_from_message(parts["belief"]),
        observation=observation.vector,
        T_hand_object=observation.T_hand_object,
        force=torch.tensor(quality.force, dtype=torch.float64),
        contact=torch.tensor(quality.contact, dtype=torch.bool),
        epsilon_hat=quality.epsilon_hat,
        q_cmd=torch.from_numpy(in_order(actuated, target.name, target.position, "servo targets")),
        q=torch.from_numpy(in_order(hand.joint_names, *_joints(parts["observation"]), "observation, joint positions")),
        step=step,
        seed=int(goal.seed),
        deadline=deadline,
        promise=Promise.of(goal.promise_friction, goal.promise_success, goal.promise_touch),
    )


def _joints(observation: Any) -> tuple[Any, Any]:
    return observation.joint_names, observation.joint_position


def goal_message(goal: ExecuteGrasp.Goal, stamp: Any, hand: str, deadline: float) -> GraspGoal:
    """Return what is published of a goal whose first step has this stamp; an infinite deadline is none."""
    message = GraspGoal(header=header(stamp), hand=hand)
    for name in (
        "method",
        "object_name",
        "beta",
        "max_steps",
        "seed",
        "epsilon_target",
        "p_fail_limit",
        "promise_friction",
        "promise_success",
        "promise_touch",
    ):
        setattr(message, name, getattr(goal, name))
    message.deadline = deadline if math.isfinite(deadline) else 0.0
    return message


def velocity_command(decision: Decision, stamp: Any, step: int, hand: HandDescription) -> HandCommand:
    """Return the command of a decision."""
    return HandCommand(
        header=header(stamp),
        step=step,
        mode=HandCommand.VELOCITY,
        joint_names=[joint.name for joint in hand.actuated],
        velocity=decision.action.double().tolist(),
        effort_limit=decision.effort_limit.double().tolist(),
        lift_speed=float(decision.lift_speed),
    )


def status_message(decision: Decision, parts: dict[str, Any], method: str) -> PlannerStatus:
    """Return the status of a decision on the messages that it answers."""
    belief, quality = parts["belief"], parts["quality"]
    return PlannerStatus(
        header=header(belief.header.stamp),
        step=belief.step,
        method=method,
        phase=PlannerStatus.DONE if decision.stop else PlannerStatus.CLOSING,
        action=decision.action.double().tolist(),
        objective=decision.objective,
        cvar=decision.cvar,
        expected_cost=decision.expected_cost,
        p_fail=decision.p_fail,
        friction_log_mean=decision.friction[0],
        friction_log_std=decision.friction[1],
        epsilon_hat=quality.epsilon_hat,
        entropy=decision.entropy,
        contacts=int(sum(quality.contact)),
        component=decision.component,
        planning_time=decision.planning_time,
        deadline_met=decision.deadline_met,
        stop_reason=decision.stop_reason,
    )


def empty_status(method: str, step: int, phase: int) -> PlannerStatus:
    """Return the status of a step without a decision."""
    figures = ("objective", "cvar", "expected_cost", "p_fail", "epsilon_hat", "entropy")
    unknown = dict.fromkeys((*figures, "friction_log_mean", "friction_log_std"), _NOT_COMPUTED)
    return PlannerStatus(step=step, method=method, phase=phase, component=-1, **unknown)
