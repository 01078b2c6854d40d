"""The arm driver without ROS: connect, read, enable, move, correct, stop, and hold when anything goes wrong.

Whatever goes wrong ends in the same place: the stop is sent, the fault is kept, and every motion is refused until
:meth:`ArmDriver.enable` is called again, after :meth:`ArmDriver.reset_errors` if the controller has an error, or after
:meth:`ArmDriver.disconnect` and :meth:`ArmDriver.connect` if the link was lost. Nothing is sent twice but the stop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from enum import Enum

import numpy as np

from vnb_grasp.description import ArmDescription, HandDescription
from vnb_grasp.errors import DeviceFaultError, HardwareError, HoldError, LinkError, SilenceError, VnbError
from vnb_hardware.arm.agreement import require_agreement
from vnb_hardware.arm.clearance import ClearanceCheck
from vnb_hardware.arm.config import ArmConfig
from vnb_hardware.arm.controller import Controller, Identity
from vnb_hardware.arm.enabling import STILL, reset, switch_on, why_not_ready
from vnb_hardware.arm.execution import run_plan
from vnb_hardware.arm.kinematics import DhKinematics, DhParameters
from vnb_hardware.arm.limits import JointLimits
from vnb_hardware.arm.path import interpolate
from vnb_hardware.arm.planning import MotionPlan, MotionPlanner
from vnb_hardware.arm.servo import Refusals, ServoSession, require_slow
from vnb_hardware.arm.state import AUTO_MODE, ArmState
from vnb_hardware.arm.stopper import OnFault, Stopper, insist
from vnb_hardware.arm.stream import STREAMS, StateStream, StreamCounters
from vnb_hardware.arm.units import MILLIMETRES, Array

Feedback = Callable[[float, Array], None]

_STOP_TIME = 0.5
_LAST_STOP = 1.0


class Phase(Enum):
    """What the driver is ready for."""

    CLOSED = "closed"
    CONNECTED = "connected"
    READY = "ready"
    HOLD = "hold"


class ArmDriver:
    """One arm behind one controller.

    Args:
        arm: Description of the arm.
        hand: Description of the hand on it, for the clearance.
        config: Addresses, deadlines and limits.
        on_fault: Called with each fault, after the stop has been sent, in a thread of the driver's own.

    Attributes:
        planner: Plans motions; None before the first :meth:`connect`.
        identity: Who answered.
        halted: Set while the arm is on hold; running motions watch it.
        hand_posture: Actuated joint angles of the hand (6,) [rad] that the clearance is checked with.
    """

    def __init__(
        self,
        arm: ArmDescription,
        hand: HandDescription,
        config: ArmConfig | None = None,
        on_fault: OnFault | None = None,
    ) -> None:
        self.arm, self.config = arm, config or ArmConfig()
        self.hand_posture = np.zeros(len(hand.actuated))
        self.planner: MotionPlanner | None = None
        self.identity: Identity | None = None
        self.halted = threading.Event()
        self._on_fault = on_fault
        self._check = ClearanceCheck(arm, hand, self.config.workspace)
        _warm_up(self._check, np.array(arm.home), self.hand_posture)
        self._lock = threading.RLock()
        self._moving = threading.Lock()
        self._motion_ends = self.config.timeout + _STOP_TIME  # a halted one: a call that is under way, and the stop
        self._phase = Phase.CLOSED
        self._holds = 0
        self._fault_at = 0.0
        self._fault: VnbError | None = None
        self._lost = False
        self._armed = False
        self._held_at = 0.0
        self._state: ArmState | None = None
        self._controller: Controller | None = None
        self._stream: StateStream | None = None
        self._servo: ServoSession | None = None
        self._refusals = Refusals()
        self._stopper: Stopper | None = None

    # --- what is known --------------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """What the driver is ready for."""
        return self._phase

    @property
    def fault(self) -> VnbError | None:
        """Why the arm is on hold; None if it is not."""
        return self._fault

    @property
    def fault_at(self) -> float:
        """When the fault that put the arm on hold was detected, on the monotonic clock [s]; 0 if none was."""
        return self._fault_at

    @property
    def counters(self) -> StreamCounters:
        """What the state stream has seen."""
        return self._stream.counters if self._stream is not None else StreamCounters()

    def state(self) -> ArmState:
        """Return the latest state.

        Raises:
            SilenceError: If there is none, or it is older than ``stale_after``.
        """
        state = self._state
        if state is None:
            raise SilenceError("arm: no state was read; connect first")
        age = time.monotonic() - state.received
        if age > self.config.stale_after:
            raise SilenceError(
                f"arm: the latest state is {age:.2f} s old, expected at most {self.config.stale_after} s"
            )
        return state

    # --- connection -----------------------------------------------------------------------------------------------

    def connect(self) -> Identity:
        """Open all connections, read the controller and make the plans' kinematics and limits; nothing moves.

        Raises:
            LinkError: If a connection cannot be made.
            SilenceError: If something does not answer.
            HardwareError: If the controller's poses contradict the kinematics.
        """
        with self._lock:
            if self._phase is not Phase.CLOSED:
                raise HardwareError("arm: connected already; disconnect first")
            self._fault, self._lost, self._state, self._armed = None, False, None, False
            self.halted.clear()
        config = self.config
        self._controller = Controller(config.host, config.rpc_port, config.text_port, config.timeout)
        make = STREAMS[config.stream]
        self._stream = make(
            config.host,
            config.state_port,
            self._on_state,
            self._on_loss,
            stale_after=config.stale_after,
        )
        try:
            self.identity = self._controller.open()
            self._stream.open()
            self._learn(self._controller)
        except BaseException:
            self._close()
            raise
        with self._lock:
            self._stopper = Stopper(self._send_stop, self._on_fault)
            self._phase = Phase.HOLD if self._fault is not None else Phase.CONNECTED
        return self.identity

    def disconnect(self) -> None:
        """Stop the arm if it may be moving, and close all connections. The drives stay on and hold the arm.

        A motion that is just being commanded may be carried out after the first stop, since the two go different ways;
        so its end is waited for, and the last command is a stop.

        Raises:
            LinkError: If no way of stopping worked for a second; the connections are closed then, too.
        """
        with self._lock:
            if self._phase is Phase.CLOSED:
                return
            self._phase = Phase.CLOSED
            self._holds += 1
            self.halted.set()
        with contextlib.suppress(VnbError):
            self._send_stop()
        self._end_servo()
        if self._moving.acquire(timeout=self._motion_ends):
            self._moving.release()
        try:
            insist(self._send_stop, _LAST_STOP)
        finally:
            if self._stopper is not None:
                self._stopper.close(2 * _STOP_TIME)
            self._close()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        if self._controller is not None:
            self._controller.close()
        self._stream = self._controller = None

    def _learn(self, controller: Controller) -> None:
        state = self.state()
        compensation = controller.dh_compensation()
        kinematics = DhKinematics(DhParameters.compensated(compensation))
        self._check.slack = float(np.abs(compensation).sum()) / MILLIMETRES  # it computes with the nominal lengths
        require_agreement(kinematics, state, controller.joint_positions())
        limits = JointLimits.of(self.arm).tightened(controller.soft_limits())
        self.planner = MotionPlanner(self.arm, self._check, self.config, kinematics, limits)

    # --- enabling -------------------------------------------------------------------------------------------------

    def enable(self) -> None:
        """Switch the drives on at the measured pose, with nothing left to run, and take motions from now on.

        Raises:
            LinkError: If the link was lost since :meth:`connect`.
            DeviceFaultError: If the controller reports a fault, or does not enable.
            HardwareError: If the arm moved while it was enabled.
            HoldError: If the motion before has not ended yet, or the arm was put on hold meanwhile.
        """
        controller, holds = self._require_link(), self._holds
        self._end_servo()
        state = self.state()
        if state.faults:
            raise DeviceFaultError(f"arm: {'; '.join(state.faults)}: cure that, reset the errors, then enable")
        if not self._moving.acquire(timeout=self._motion_ends):
            raise HoldError("arm: the motion before has not ended yet; enable again")
        try:
            self._armed = True
            self._refusals.forget()
            switch_on(controller, self.state)
            self._take_motions(holds)
        finally:
            self._moving.release()

    def _take_motions(self, holds: int) -> None:
        """Be ready, unless somebody held or disconnected the arm since there were ``holds`` holds."""
        with self._lock:
            if self._holds != holds:
                raise HoldError(f"arm: put on hold while it was enabled ({self._fault}); enable it again")
            if self._lost:
                raise LinkError("arm: the link was lost while it was enabled; disconnect and connect again")
            self._fault, self._phase = None, Phase.READY
            self.halted.clear()

    def reset_errors(self) -> None:
        """Clear the controller's errors. The arm stays on hold until it is enabled again.

        Raises:
            LinkError: If the link was lost since :meth:`connect`.
            DeviceFaultError: If a fault remains.
        """
        reset(self._require_link(), self.state)

    def hold(self, reason: VnbError | None = None) -> None:
        """Send the stop now and refuse motion until enabled again; returns when the stop has been sent.

        An arm that was never enabled by this driver is left alone: whoever moves it has stops of their own.

        Args:
            reason: Why; a :class:`HoldError` that says so if None.

        Raises:
            LinkError: If no way of stopping worked; the stop is then sent again until one does.
        """
        with self._lock:
            if self._phase is Phase.CLOSED:
                return
            self._fault = self._fault or reason or HoldError("arm: put on hold")
            self._phase, self._held_at = Phase.HOLD, time.monotonic()
            self._holds += 1
            self.halted.set()
        try:
            self._send_stop()
        except VnbError as error:
            self._ask_for_stop(error)
            raise

    # --- motion ---------------------------------------------------------------------------------------------------

    def run(self, plan: MotionPlan, canceled: Callable[[], bool], feedback: Feedback) -> Array:
        """Carry a plan out and return the joint angles (6,) [rad] at its end; stops where it is when canceled.

        Raises:
            HoldError: If the arm is on hold or busy.
            MotionError: If it stalls, leaves its path or ends elsewhere.
            VnbError: The fault that ended it.
        """
        self._end_servo()
        if not self._moving.acquire(blocking=False):
            raise HoldError("arm: another motion is running; wait for its result or cancel it")
        try:
            controller = self._require_ready()
            self._refusals.forget()
            return run_plan(self, controller, plan, canceled, feedback)
        finally:
            self._moving.release()

    def correct(self, linear: Array, angular: Array) -> None:
        """Move the hand by a small streamed correction; call it again within ``servo_timeout``, or the arm holds.

        Args:
            linear: Velocity of the hand in the world's axes (3,) [m/s].
            angular: Angular velocity in the world's axes (3,) [rad/s].

        Raises:
            HoldError: If the arm is on hold or a motion is running.
            MotionError: If the correction is too fast, or the stream went too far and has not paused since.
        """
        velocity = require_slow(linear, angular, self.config.servo_speed)
        with self._lock:
            controller, session = self._require_ready(), self._servo
            if session is None or session.ended:
                self._end_servo()
                self._refusals.require_none(None if session is None else session.refusal, self.config.servo_timeout)
                if not self._moving.acquire(blocking=False):
                    raise HoldError("arm: a motion is running; no correction is taken")
                session = self._servo = ServoSession(self, controller, self._moving.release)
        session.command(velocity)

    def require_planner(self) -> MotionPlanner:
        """Return the planner; raises :class:`HoldError` before the first :meth:`connect`."""
        if self.planner is None:
            raise HoldError("arm: not connected; nothing can be planned")
        return self.planner

    def trip(self, error: VnbError) -> None:
        """Put the arm on hold for ``error``, from any thread; the stop is sent by the thread that waits for it."""
        detected = time.monotonic()
        with self._lock:
            if self._phase not in (Phase.CONNECTED, Phase.READY, Phase.HOLD):
                self._fault = self._fault or error
                return
            first = self._phase is not Phase.HOLD
            self._fault_at = detected if first else self._fault_at
            self._fault = self._fault or error
            self.halted.set()
            if first or isinstance(error, LinkError | SilenceError):
                self._phase, self._held_at = Phase.HOLD, time.monotonic()
                self._ask_for_stop(error)

    def stop_again(self) -> None:
        """Stop an arm on hold once more, for a motion that was commanded before; never fails."""
        try:
            self._send_stop()
        except VnbError as error:
            self._ask_for_stop(error)

    def _ask_for_stop(self, error: VnbError) -> None:
        if self._stopper is not None:
            self._stopper.ask(error)

    # --- the stream's thread --------------------------------------------------------------------------------------

    def _on_state(self, state: ArmState) -> None:
        self._state = state
        if self._phase is Phase.HOLD:
            self._require_still(state)
        if self._phase is not Phase.READY:
            return
        why = why_not_ready(state)
        if why is not None:
            self.trip(why)

    def _require_still(self, state: ArmState) -> None:
        """Stop again if the arm moves on hold: a command whose answer never came may have been carried out late."""
        moving = not state.motion_done and state.enabled and state.mode == AUTO_MODE
        late = time.monotonic() - self._held_at > _STOP_TIME
        if self._armed and moving and state.speed > STILL and late:
            self._held_at = time.monotonic()
            self._ask_for_stop(HoldError("arm: it moves although it is on hold; stopped again"))

    def _on_loss(self, error: VnbError) -> None:
        self._lost = True
        self.trip(error)

    def _send_stop(self) -> None:
        controller = self._controller
        if self._armed and controller is not None:  # who only reads stops nobody else's motion
            controller.stop(self._servo is not None)

    # --- helpers --------------------------------------------------------------------------------------------------

    def _require_link(self) -> Controller:
        if self._controller is None or self._phase is Phase.CLOSED:
            raise HoldError("arm: not connected")
        if self._lost:
            raise LinkError(f"arm: the link was lost ({self._fault}); disconnect and connect again")
        return self._controller

    def _require_ready(self) -> Controller:
        controller = self._controller
        if self._phase is not Phase.READY or controller is None:
            raise HoldError(f"arm: {self._phase.value}, {self._fault or 'not enabled'}; enable it first")
        return controller

    def _end_servo(self) -> None:
        session, self._servo = self._servo, None
        if session is not None:
            session.close()


def _warm_up(check: ClearanceCheck, q: Array, hand: Array) -> None:
    """Compute everything once: the first use of the mathematics takes longer than a stream may be silent."""
    check.distances(np.stack([q, q]), hand)
    interpolate(np.eye(4), np.eye(4), 0.5)
