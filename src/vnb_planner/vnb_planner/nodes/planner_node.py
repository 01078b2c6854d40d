"""Closes the fingers under a planner's decisions; every step answers one belief."""

from __future__ import annotations

import math
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from sensor_msgs.msg import JointState
from vnb_msgs.action import ExecuteGrasp
from vnb_msgs.msg import Belief, ErrorCode, GraspGoal, GraspQuality, HandCommand, Observation, PlannerStatus
from vnb_msgs.srv import BeginGrasp

from vnb_grasp.description import load_hand, load_object
from vnb_grasp.errors import DeadlineError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.action_server import RESULT_TIMEOUT
from vnb_grasp.nodes.base import Canceled, Refusal, VnbNode, fill
from vnb_grasp.nodes.conversions import header
from vnb_grasp.nodes.join import StampJoin
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_planner.nodes.messages import (
    empty_status,
    goal_message,
    goal_parameters,
    plan_input,
    status_message,
    velocity_command,
)
from vnb_planner.planners import Decision, Planner, check_decision
from vnb_planner.planners.factory import make_planner

MAX_STEPS = 80
_POLL = 0.05


@dataclass(frozen=True)
class PlannerNodeConfig:
    """Parameters of the node."""

    hand: str = parameter("l6_v31", "hand variant")
    data_timeout: float = parameter(10.0, "longest wait for the belief of the next step [s]", 0.05, 600.0)
    begin_timeout: float = parameter(10.0, "longest wait for the robot to begin the decision loop [s]", 0.05, 600.0)
    deadline: float = parameter(
        0.0, "time that one decision may take when the goal sets none [s]; 0 = no limit", 0.0, 60.0
    )
    deadline_misses: int = parameter(10, "decisions in a row over their deadline that end the grasp", 1, 10_000)


@dataclass
class Grasp:
    """The goal that is being served."""

    goal: Any
    planner: Planner
    limit: int
    deadline: float
    step: int = 0
    stamp: Time | None = None
    misses: int = 0
    decision: Decision | None = None
    status: PlannerStatus | None = None


class PlannerNode(VnbNode):
    """Serves ``execute_grasp``, one goal at a time; sends ``hand/command``, publishes ``planner/status``.

    ``planner/goal`` tells what is asked of the grasp that is closing.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("planner", **options)
        self.config = declare(self, PlannerNodeConfig)
        self._hand = load_hand(self.config.hand)
        self._arrived = threading.Condition()
        self._inbox: dict[str, Any] | None = None
        self._serving = threading.Lock()
        self._command_out = self.create_publisher(HandCommand, "hand/command", qos.COMMAND)
        self._status_out = self.create_publisher(PlannerStatus, "planner/status", qos.CHAIN)
        self._goal_out = self.create_publisher(GraspGoal, "planner/goal", qos.LATCHED)
        inputs = MutuallyExclusiveCallbackGroup()
        join = StampJoin(("belief", "observation", "quality", "target"), self._receive)
        for kind, topic, name in (
            (Belief, "belief", "belief"),
            (Observation, "observation", "observation"),
            (GraspQuality, "grasp_quality", "quality"),
            (JointState, "hand/target", "target"),
        ):
            self.create_subscription(kind, topic, join.receiver(name), qos.CHAIN, callback_group=inputs)
        group = ReentrantCallbackGroup()
        self._begin = self.create_client(BeginGrasp, "begin_grasp", callback_group=group)
        self._server = ActionServer(
            self,
            ExecuteGrasp,
            "execute_grasp",
            self._execute,
            callback_group=group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            result_timeout=RESULT_TIMEOUT,
        )

    # --- inputs ---------------------------------------------------------------------------------------------------

    def _receive(self, parts: dict[str, Any]) -> None:
        with self._arrived:
            self._inbox = parts
            self._arrived.notify_all()

    def _wait(self, handle: Any, grasp: Grasp) -> dict[str, Any]:
        """Return the messages of the grasp's next step.

        Raises:
            Canceled: If the goal was canceled.
            Refusal: With code TIMEOUT if they did not come in time.
            VnbError: With the belief's code if it answered with an error.
        """
        due = time.monotonic() + self.config.data_timeout
        while True:
            with self._arrived:
                parts = self._inbox
                if parts is None or not self._is_next(parts["belief"], grasp):
                    self._arrived.wait(_POLL)
                    parts = None
                else:
                    self._inbox = None
            self._stop_if_canceled(handle, grasp)
            if parts is not None:
                belief = parts["belief"]
                if belief.error_code != ErrorCode.NONE:
                    raise Refusal(f"the belief of step {grasp.step} failed: {belief.error_message}", belief.error_code)
                return parts
            if time.monotonic() > due:
                raise Refusal(
                    f"no belief of step {grasp.step} within {self.config.data_timeout} s; the diagnostics of belief, "
                    "observation and tactile_quality say why",
                    ErrorCode.TIMEOUT,
                )

    @staticmethod
    def _is_next(belief: Belief, grasp: Grasp) -> bool:
        """Return whether a belief is that of the next step, or of a later one if time did not wait."""
        if grasp.step == 0:
            return bool(belief.step == 0 and belief.header.stamp == grasp.stamp)
        return bool(belief.step >= grasp.step)

    def _stop_if_canceled(self, handle: Any, grasp: Grasp) -> None:
        if handle.is_cancel_requested or self.closing.is_set():
            raise Canceled(f"execute_grasp was canceled at step {grasp.step}; the fingers hold")

    # --- the goal -------------------------------------------------------------------------------------------------

    def _execute(self, handle: Any) -> ExecuteGrasp.Result:
        result = ExecuteGrasp.Result()
        result.epsilon_hat = result.cvar = result.p_fail = math.nan
        if not self._serving.acquire(blocking=False):
            with self.border(fill(result)):
                raise Refusal("execute_grasp: another goal is active; cancel it or wait for its result")
            return self._end(handle, result)
        try:
            self._serve(handle, result)
        finally:
            self._serving.release()
        return self._end(handle, result)

    def _serve(self, handle: Any, result: ExecuteGrasp.Result) -> None:
        grasp: Grasp | None = None

        def fail(code: int, message: str) -> None:
            result.error_code, result.error_message = code, message
            if grasp is not None:
                self._hold(handle, grasp, code, message)

        with self.border(fail):
            grasp = self._prepare(handle.request)
            self._begin_loop(handle, grasp)
            result.stop_reason = self._loop(handle, grasp)
        if grasp is not None:
            result.steps = grasp.step
            if grasp.status is not None:
                result.epsilon_hat = grasp.status.epsilon_hat
                result.cvar, result.p_fail = grasp.status.cvar, grasp.status.p_fail

    def _prepare(self, goal: ExecuteGrasp.Goal) -> Grasp:
        planner = make_planner(goal.method, self._hand, load_object(goal.object_name), goal_parameters(goal))
        planner.reset()
        deadline = goal.deadline or self.config.deadline or math.inf
        return Grasp(goal, planner, int(goal.max_steps) or MAX_STEPS, deadline)

    def _begin_loop(self, handle: Any, grasp: Grasp) -> None:
        """Have the robot begin the decision loop."""
        with self._arrived:
            self._inbox = None
        due = time.monotonic() + self.config.begin_timeout
        while not self._begin.service_is_ready():
            self._wait_or_give_up(handle, grasp, due)
        future = self._begin.call_async(BeginGrasp.Request())
        while not future.done():
            self._wait_or_give_up(handle, grasp, due)
        response = future.result()
        if response.error_code != ErrorCode.NONE:
            raise Refusal(response.error_message, response.error_code)
        grasp.stamp = response.stamp
        self._goal_out.publish(goal_message(grasp.goal, grasp.stamp, self.config.hand, grasp.deadline))

    def _wait_or_give_up(self, handle: Any, grasp: Grasp, due: float) -> None:
        self._stop_if_canceled(handle, grasp)
        if time.monotonic() > due:
            raise Refusal(f"begin_grasp did not answer within {self.config.begin_timeout} s", ErrorCode.TIMEOUT)
        time.sleep(0.002)

    def _loop(self, handle: Any, grasp: Grasp) -> str:
        """Decide step by step; return why it ended."""
        while True:
            parts = self._wait(handle, grasp)
            grasp.step = int(parts["belief"].step)
            given = plan_input(parts, self._hand, grasp.step, grasp.goal, grasp.deadline)
            decision = check_decision(grasp.planner.plan(given), grasp.goal.method, grasp.step)
            grasp.stamp, grasp.decision = parts["belief"].header.stamp, decision
            status = grasp.status = status_message(decision, parts, grasp.goal.method)
            self._note_deadline(grasp, status)
            self._stop_if_canceled(handle, grasp)
            if not decision.stop:
                self._command_out.publish(velocity_command(decision, grasp.stamp, grasp.step, self._hand))
            self._report(handle, status)
            if decision.stop:
                return str(decision.stop_reason)
            grasp.step += 1
            if grasp.step > grasp.limit:
                return "step_limit"

    def _note_deadline(self, grasp: Grasp, status: PlannerStatus) -> None:
        """Flag a decision that took too long; too many in a row end the grasp."""
        if status.deadline_met:
            grasp.misses = 0
            return
        grasp.misses += 1
        error = DeadlineError(
            f"step {grasp.step} took {status.planning_time:.3f} s, its deadline is {grasp.deadline:.3f} s; "
            "use lockstep, a longer deadline or fewer samples"
        )
        status.error_code, status.error_message = error.code, str(error)
        if grasp.misses >= self.config.deadline_misses:
            raise error
        self.diagnose(error.code, str(error))

    def _report(self, handle: Any, status: PlannerStatus) -> None:
        self._status_out.publish(status)
        handle.publish_feedback(ExecuteGrasp.Feedback(status=status))

    def _hold(self, handle: Any, grasp: Grasp, code: int, message: str) -> None:
        """Stop the fingers where they are."""
        command = HandCommand(step=grasp.step, mode=HandCommand.HOLD)
        if grasp.stamp is not None:
            command.header = header(grasp.stamp)
        phase = PlannerStatus.HOLD if code == ErrorCode.CANCELED else PlannerStatus.FAILED
        status = empty_status(grasp.goal.method, grasp.step, phase)
        status.header = command.header
        status.error_code, status.error_message = code, message
        if grasp.stamp is not None:  # otherwise the decision loop never began, and the fingers are still
            self._command_out.publish(command)
        self._report(handle, status)

    def _end(self, handle: Any, result: ExecuteGrasp.Result) -> ExecuteGrasp.Result:
        """Give the goal its final state, whatever happened."""
        with self.border():
            if result.error_code == ErrorCode.NONE:
                handle.succeed()
            elif handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        return result


def main() -> int:
    """Run the node."""
    return run_node(PlannerNode)


if __name__ == "__main__":
    sys.exit(main())
