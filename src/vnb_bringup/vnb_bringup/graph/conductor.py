"""Runs a trial through the graph: reset, approach, grasp, lift, tests."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from sensor_msgs.msg import JointState
from vnb_msgs.action import ExecuteGrasp, MoveArm, MoveHand, StressTest
from vnb_msgs.msg import Belief, ErrorCode, ObjectPose
from vnb_msgs.srv import ResetWorld, StepSimulation

from vnb_belief.mixture import Mixture
from vnb_benchmark.attempts import Attempts, promise_of
from vnb_benchmark.episode import APPROACH_REST, FIRST_REST, LIFT_DURATION, LIFT_REST
from vnb_bringup.graph.recorder import OnStep, Recorder
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.graph.verdict import VerdictPublisher
from vnb_bringup.report.from_episode import checkpoint_hash, versions
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import StepRecord, TrialRecord, Verdict, battery_records
from vnb_grasp.errors import ConfigError, MotionError, PerceptionError, VnbError
from vnb_grasp.frames.pose import Pose
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.action_client import LockedActionClient
from vnb_grasp.nodes.base import Canceled, Refusal, VnbNode
from vnb_grasp.nodes.conversions import header, in_order, pose_from_message, pose_to_message, seconds
from vnb_grasp.nodes.join import StampJoin
from vnb_planner.attempts import Choice
from vnb_planner.failure import Promise
from vnb_sim_bridge.nodes.messages import scenario_to_message
from vnb_sim_bridge.pregrasp.approach import Approach, Motion, approach_motions, release_motions
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario

READY_TIMEOUT = 120.0
ANSWER_TIMEOUT = 30.0
MOTION_TIMEOUT = 300.0

OnPhase = Callable[[str], None]


class TrialConductor(VnbNode):
    """Conducts trials; its methods are called outside of the executor's threads.

    Args:
        settings: Of the graph.
        options: For the node.
    """

    def __init__(self, settings: GraphSettings, **options: Any) -> None:
        super().__init__("conductor", **options)
        self._settings = settings
        self._recorder = Recorder(self)
        self._arrived = threading.Condition()
        self._estimate: dict[str, Any] | None = None
        self._belief: Belief | None = None
        self._scenes: dict[tuple[str, str], PlanningScene] = {}
        self._verdict = VerdictPublisher(self)
        group = ReentrantCallbackGroup()
        self._reset = self.create_client(ResetWorld, "sim_bridge/reset", callback_group=group)
        self._step = self.create_client(StepSimulation, "sim_bridge/step", callback_group=group)
        self._arm = LockedActionClient(self, MoveArm, "arm/move", callback_group=group)
        self._hand = LockedActionClient(self, MoveHand, "hand/move", callback_group=group)
        self._grasp = LockedActionClient(self, ExecuteGrasp, "execute_grasp", callback_group=group)
        self._stress = LockedActionClient(self, StressTest, "stress_test", callback_group=group)
        inputs = MutuallyExclusiveCallbackGroup()
        join = StampJoin(("object", "arm"), self._take_estimate)
        self.create_subscription(ObjectPose, "object_pose", join.receiver("object"), qos.CHAIN, callback_group=inputs)
        self.create_subscription(JointState, "arm/joint_states", join.receiver("arm"), qos.CHAIN, callback_group=inputs)
        self.create_subscription(Belief, "belief", self._take_belief, qos.CHAIN, callback_group=inputs)

    def use(self, settings: GraphSettings) -> None:
        """Conduct a graph of these settings."""
        self._settings = settings

    def _take_estimate(self, parts: dict[str, Any]) -> None:
        with self._arrived:
            self._estimate = parts
            self._arrived.notify_all()

    def _take_belief(self, message: Belief) -> None:
        with self._arrived:
            self._belief = message
            self._arrived.notify_all()

    # --- a trial --------------------------------------------------------------------------------------------------

    def run(
        self,
        scenario: Scenario,
        settings: TrialSettings,
        *,
        on_step: OnStep | None = None,
        on_phase: OnPhase | None = None,
        max_steps: int = 0,
        deadline: float = 0.0,
    ) -> TrialRecord:
        """Run one trial; an error of the graph ends it early and stands in the record.

        Args:
            scenario: What is drawn.
            settings: Method and tests; belief and checkpoint are the graph's and are only written down, and the
                conditions must be the graph's.
            on_step: Called with every decision step.
            on_phase: Called with ``approach``, ``closing``, ``lift`` and ``tests`` as each begins.
            max_steps: Decision steps at most; 0 leaves it to the method.
            deadline: Time that one decision may take [s]; 0 = no limit.

        Raises:
            ConfigError: If the conditions are not those that the graph was made with.
        """
        if settings.conditions != self._settings.conditions:
            raise ConfigError(
                f"conditions of the trial: got {settings.conditions}, expected those of the running graph, "
                f"{self._settings.conditions}; start a graph with the trial's"
            )
        trial = _Trial(on_phase)
        with self._noting_errors(trial):
            trial.begin("approach")
            approach, scene = self._approach(scenario)
            trial.begin("closing")
            approach = self._take(scenario, settings, trial, scene, approach, on_step, max_steps, deadline)
            trial.begin("lift")
            if trial.empty:
                self._rest(LIFT_REST)
            else:
                self._lift(scene, approach)
            trial.begin("tests")
            trial.verdict = self._test(settings.battery)
        trial.begin("")
        record = TrialRecord(
            scenario=scenario,
            method=settings.method,
            belief=settings.belief,
            beta=settings.beta,
            hand=scenario.hand,
            pregrasp=trial.pregrasp,
            steps=trial.steps,
            stop_reason=trial.stop_reason,
            verdict=trial.verdict,
            error_code=trial.error_code,
            error_message=trial.error_message,
            checkpoint=checkpoint_hash(settings.belief, settings.checkpoint),
            versions=versions(),
            durations=trial.durations,
            attempts=trial.attempts,
            abstained=trial.abstained,
            conditions=settings.conditions,
            rule=settings.rule,
        )
        self._verdict.publish(record)
        return record

    @contextmanager
    def _noting_errors(self, trial: _Trial) -> Iterator[None]:
        try:
            yield
        except VnbError as error:
            trial.error_code, trial.error_message = int(error.code), str(error)

    def _approach(self, scenario: Scenario) -> tuple[Approach, PlanningScene]:
        self.wait_until_ready()
        key = (scenario.object_name, scenario.hand)
        scene = self._scenes.get(key) or self._scenes.setdefault(key, PlanningScene(*key))
        self.reset(scenario)
        parts = self._rest(FIRST_REST)
        approach = scene.choose_approach(*_estimates(scene, parts))
        self._move(approach_motions(approach))
        self._rest(APPROACH_REST)
        return approach, scene

    def _move(self, motions: tuple[Motion, ...]) -> None:
        for hand_target, duration, arm_goals in motions:
            self._act(self._hand, MoveHand.Goal(positions=hand_target.tolist(), duration=duration))
            for goal, speed in arm_goals:
                self._act(self._arm, MoveArm.Goal(kind=MoveArm.Goal.JOINT, positions=goal.tolist(), speed_scale=speed))

    def _take(
        self,
        scenario: Scenario,
        settings: TrialSettings,
        trial: _Trial,
        scene: PlanningScene,
        approach: Approach,
        on_step: OnStep | None,
        max_steps: int,
        deadline: float,
    ) -> Approach:
        """Close, and take the object again while the rule says so; return the approach of the last attempt."""
        attempts = Attempts(settings.rule, scene)
        while True:
            trial.pregrasp = approach.pregrasp.index
            self._close_fingers(scenario, settings, trial, promise_of(approach), on_step, max_steps, deadline)
            last = trial.steps[-1]
            belief = Mixture(*(torch.tensor(part, dtype=torch.float64) for part in last.belief()))
            choice = attempts.judge(last.p_fail, belief, approach, last.friction)
            trial.attempts, trial.abstained = attempts.made, choice is Choice.ABSTAIN
            if choice is not Choice.REGRASP:
                return approach
            self._move(release_motions(approach, attempts.home))
            parts = self._rest(FIRST_REST)
            try:
                approach = scene.choose_approach(*_estimates(scene, parts), order=attempts.order)
            except (MotionError, PerceptionError):  # out of reach or sight now, perhaps toppled
                trial.abstained = trial.empty = True
                return approach
            self._move(approach_motions(approach))
            self._rest(APPROACH_REST)

    def _close_fingers(
        self,
        scenario: Scenario,
        settings: TrialSettings,
        trial: _Trial,
        promise: Promise | None,
        on_step: OnStep | None,
        max_steps: int,
        deadline: float,
    ) -> None:
        goal = ExecuteGrasp.Goal(
            method=settings.method,
            object_name=scenario.object_name,
            beta=settings.beta,
            max_steps=max_steps,
            seed=scenario.seed,
            epsilon_target=math.nan,
            p_fail_limit=settings.rule.delta,
            deadline=deadline,
            promise_friction=promise.friction if promise else (),
            promise_success=promise.success if promise else (),
            promise_touch=promise.touch.row() if promise and promise.touch else (),
        )
        self._recorder.start(on_step)
        expected = 0
        try:
            result = self._act(self._grasp, goal)
            expected, trial.stop_reason = result.steps + 1, result.stop_reason
        finally:
            steps = self._recorder.stop(expected, ANSWER_TIMEOUT)
            trial.steps += steps
        if not steps or steps[-1].step != result.steps:
            recorded = steps[-1].step if steps else "none"
            raise Refusal(
                f"closing: the planner ended with step {result.steps}, recorded is {recorded}; messages were lost, so "
                "the grasp is not judged; is the machine busy?",
                ErrorCode.TIMEOUT,
            )

    def _lift(self, scene: PlanningScene, approach: Approach) -> None:
        pose = pose_to_message(scene.lift_pose(approach.arm_q))
        target = PoseStamped(header=header(self.get_clock().now().to_msg(), "world"), pose=pose)
        goal = MoveArm.Goal(
            kind=MoveArm.Goal.CARTESIAN, hand_pose=target, linear=True, speed_scale=1.0, duration=LIFT_DURATION
        )
        self._act(self._arm, goal)
        self._rest(LIFT_REST)

    def _test(self, battery: bool) -> Verdict:
        result = self._act(self._stress, StressTest.Goal(nominal=True, battery=battery))
        return Verdict(
            lifted=bool(result.lifted),
            lift_height=result.lift_height,
            nominal=bool(result.nominal_success),
            nominal_12=bool(result.nominal_success_12),
            survival=result.survival,
            tests=battery_records(result.tests),
            peak_force=result.peak_force,
            peak_slip=result.peak_slip,
            time_to_slip=result.time_to_slip,
            failure_mode=result.failure_mode,
        )

    # --- the graph ------------------------------------------------------------------------------------------------

    def wait_until_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until all servers are there and readings reach the belief.

        Raises:
            Refusal: With code TIMEOUT; says what is missing.
        """
        due = time.monotonic() + timeout
        self.wait_for_servers(timeout)
        while True:
            with self._arrived:
                self._belief = None
            self.reset(Scenario(self._settings.object_name, hand=self._settings.hand))
            with self._arrived:
                if self._arrived.wait_for(lambda: self._belief is not None, 2.0):
                    return
            if time.monotonic() > due:
                nodes = ", ".join(sorted(self.get_node_names()))
                raise Refusal(f"no belief within {timeout} s of a reset; nodes seen: {nodes}", ErrorCode.TIMEOUT)

    def wait_for_servers(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until all servers are there; raises :class:`Refusal` with code TIMEOUT."""
        due = time.monotonic() + timeout
        services = [(self._reset, "sim_bridge/reset"), (self._step, "sim_bridge/step")]
        for client, name in services if self._settings.lockstep else services[:1]:
            self._until(client.service_is_ready, due - time.monotonic(), f"service {name}")
        for action, name in (
            (self._arm, "arm/move"),
            (self._hand, "hand/move"),
            (self._grasp, "execute_grasp"),
            (self._stress, "stress_test"),
        ):
            self._until(action.server_is_ready, due - time.monotonic(), f"action {name}")

    def wait_for_readings(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until arm and object have been seen once; raises :class:`Refusal` with code TIMEOUT."""
        self._until(lambda: self._estimate is not None, timeout, "readings of arm and object")

    def reset(self, scenario: Scenario) -> None:
        """Reset the world to a scenario; raises :class:`Refusal` with the server's code."""
        with self._arrived:
            self._estimate = None
        self._call(self._reset, ResetWorld.Request(use_scenario=True, scenario=scenario_to_message(scenario)))

    def _rest(self, duration: float) -> dict[str, Any]:
        """Let time pass with everything held; return the readings at its end."""
        start = self._time()
        if self._settings.lockstep:
            periods = round(duration / self._settings.conditions.parameters.decision_period)
            self._call(self._step, StepSimulation.Request(steps=periods))
        due = start + duration - 1e-6
        self._until(lambda: self._time() >= due, ANSWER_TIMEOUT, "the readings after a rest")
        return dict(self._estimate or {})

    def _time(self) -> float:
        with self._arrived:
            return 0.0 if self._estimate is None else seconds(self._estimate["object"].header.stamp)

    def _call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self._until(future.done, ANSWER_TIMEOUT, f"an answer of {client.srv_name}")
        return _checked(future.result())

    def _act(self, client: LockedActionClient, goal: Any) -> Any:
        """Send a goal and return its result; an interrupt cancels it."""
        name = type(goal).__module__
        sent = client.send_goal_async(goal)
        self._until(sent.done, ANSWER_TIMEOUT, f"acceptance of a goal ({name})")
        handle = sent.result()
        if not handle.accepted:
            raise Refusal(f"goal refused ({name})")
        done = handle.get_result_async()
        try:
            self._until(done.done, MOTION_TIMEOUT, f"a result ({name})")
        except BaseException:
            handle.cancel_goal_async()
            self._patiently(done.done, 2.0)  # so that the robot holds before the nodes go
            raise
        return _checked(done.result().result)

    def _until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        if not self._patiently(condition, timeout):
            raise Refusal(f"waited {timeout:.0f} s for {what}", ErrorCode.TIMEOUT)

    def _patiently(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Return whether a condition came true in time."""
        due = time.monotonic() + timeout
        while not condition():
            if self.closing.is_set():
                raise Canceled("the graph is closing")
            if time.monotonic() > due:
                return False
            time.sleep(0.002)
        return True


class _Trial:
    """What is known of the trial that runs."""

    def __init__(self, on_phase: OnPhase | None) -> None:
        self.pregrasp = -1
        self.steps: tuple[StepRecord, ...] = ()
        self.stop_reason = ""
        self.attempts = 0
        self.abstained = False
        self.empty = False
        self.verdict: Verdict | None = None
        self.error_code = 0
        self.error_message = ""
        self.durations: dict[str, float] = {}
        self._on_phase = on_phase
        self._phase, self._since = "", 0.0

    def begin(self, phase: str) -> None:
        """End the present phase and begin the next; an empty name only ends."""
        now = time.perf_counter()
        if self._phase:
            self.durations[self._phase] = now - self._since
        self._phase, self._since = phase, now
        if phase and self._on_phase is not None:
            self._on_phase(phase)


def _estimates(scene: PlanningScene, parts: dict[str, Any]) -> tuple[Pose, Any]:
    """Return where the readings of a rest say that object and arm are; raises :class:`PerceptionError`."""
    arm, seen = parts["arm"], parts["object"]
    if seen.status not in (ObjectPose.OK, ObjectPose.HELD):
        raise PerceptionError(f"the object's pose is not known: {seen.reason or 'nothing has looked'}")
    arm_q = in_order(scene.world.arm.joint_names, arm.name, arm.position, "arm joints")
    return pose_from_message(seen.pose.pose), arm_q


def _checked(answer: Any) -> Any:
    """Return an answer; raises :class:`Refusal` with its code if it carries an error."""
    if answer.error_code != ErrorCode.NONE:
        raise Refusal(answer.error_message, answer.error_code)
    return answer
