"""The base of every driver node: a lifecycle node with an error border, a hold and an emergency stop."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Bool
from vnb_msgs.msg import ErrorCode

from vnb_grasp.errors import ConfigError, HoldError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode

AUTOSTART = ("no", "configure", "activate")
"""How far a driver goes by itself when its node starts."""

EMERGENCY_STOP = "emergency_stop"
SUPERVISOR = "safety/hold"

_WATCH_PERIOD = 0.02
_START_DELAY = 0.05


class DeviceNode(LifecycleNodeMixin, VnbNode, ABC):
    """A driver as a lifecycle node. Subclasses fill in the four hooks, each of which may raise.

    ========== =========== ======================================================================
    transition hook        what it does
    ========== =========== ======================================================================
    configure  ``connect`` open the connection and read the device; nothing may move
    activate   ``enable``  enable motion, with the measured pose as the first command
    deactivate ``hold``    stop and hold, and refuse motion until enabled again; stays connected
    cleanup    ``release`` hold, then close the connection
    ========== =========== ======================================================================

    An error in a hook is logged and diagnosed, and the transition fails. ``release`` also runs on shutdown, after a
    failed ``connect`` and when the node closes, after which nothing connects or activates any more. ``hold`` also runs
    when one of these happens, after which the device refuses motion until it is deactivated and activated again, so
    that nothing comes back into motion by itself:

    - ``emergency_stop`` (std_msgs/Bool) says true; activation is refused until it says false,
    - ``safety/hold`` (std_msgs/Bool), the supervisor's heartbeat, says true,
    - the supervisor is silent for longer than ``supervisor_timeout``.

    Args:
        name: Of the node.
        options: For the node.
    """

    def __init__(self, name: str, **options: Any) -> None:
        VnbNode.__init__(self, name, **options)
        LifecycleNodeMixin.__init__(self, callback_group=MutuallyExclusiveCallbackGroup())
        self._enabled = False
        self._leaving = threading.Event()
        self._stop_pressed = False
        self._timeout = 0.0
        self._supervisor_seen = time.monotonic()
        self._supervisor_says_hold = False

    def watch_safety(self, supervisor_timeout: float, autostart: str) -> None:
        """Listen to emergency stop and supervisor, and start by itself; called at the end of the constructor.

        Args:
            supervisor_timeout: Silence of the supervisor after which the device holds [s]; 0 = works without one.
            autostart: One of :data:`AUTOSTART`.

        Raises:
            ConfigError: If ``autostart`` is none of them.
        """
        if autostart not in AUTOSTART:
            raise ConfigError(f"autostart: got {autostart!r}, expected one of {', '.join(AUTOSTART)}")
        self._timeout = supervisor_timeout
        group, steady = MutuallyExclusiveCallbackGroup(), Clock(clock_type=ClockType.STEADY_TIME)
        self.create_subscription(Bool, EMERGENCY_STOP, self._on_emergency_stop, qos.COMMAND, callback_group=group)
        self.create_subscription(Bool, SUPERVISOR, self._on_supervisor, qos.COMMAND, callback_group=group)
        if supervisor_timeout > 0:
            self.create_timer(_WATCH_PERIOD, self._watch_supervisor, clock=steady, callback_group=group)
        if autostart != "no":
            self._starting = self.create_timer(
                _START_DELAY,
                lambda: self._start(autostart),
                clock=steady,
                callback_group=MutuallyExclusiveCallbackGroup(),
            )

    # --- hooks ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def connect(self) -> None:
        """Open the connection and read the device; nothing may move."""

    @abstractmethod
    def enable(self) -> None:
        """Enable motion; the first command is the measured pose."""

    @abstractmethod
    def hold(self, code: int, reason: str) -> None:
        """Stop and hold, and refuse motion until enabled again. May be called in any state and from any thread.

        Args:
            code: Of ``vnb_msgs/ErrorCode``; NONE if nothing is wrong.
            reason: For those who ask why it does not move.
        """

    @abstractmethod
    def release(self) -> None:
        """Hold, then close the connection; nothing to do if there is none."""

    # --- transitions ----------------------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether the node is active: commands are taken, unless the device is on hold."""
        return self._enabled

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connect; a failure leaves nothing open."""
        return self._transit(self._connect, self.release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable motion, unless the emergency stop is pressed or the supervisor objects."""
        return self._transit(self._enable, lambda: self.hold(ErrorCode.HOLD, "the activation failed"))

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Hold."""
        self._enabled = False
        return self._transit(lambda: self.hold(ErrorCode.NONE, "deactivated"))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release."""
        return self._transit(self.release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release."""
        self._enabled = False
        return self._transit(self.release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release, so that the node is as before the first transition."""
        self._enabled = False
        return self._transit(self.release)

    def _transit(self, act: Callable[[], None], undo: Callable[[], None] | None = None) -> TransitionCallbackReturn:
        """Run a hook inside the error border, since rclpy drops the exceptions of transitions without a word."""
        failed: list[str] = []
        with self.border(lambda _, message: failed.append(message)):
            act()
            return TransitionCallbackReturn.SUCCESS
        if undo is not None:
            with self.border():
                undo()
        return TransitionCallbackReturn.FAILURE

    def _connect(self) -> None:
        self._require_going_on()
        self.connect()
        self._require_going_on()  # the end may have come meanwhile, and found nothing to release

    def _require_going_on(self) -> None:
        if self._leaving.is_set():
            raise HoldError("the node is ending; nothing is connected or activated any more")

    def _enable(self) -> None:
        self._require_safe()
        self.enable()
        self._enabled = True
        try:
            self._require_safe()  # whatever was pressed meanwhile
        except HoldError:
            self._enabled = False
            raise

    def _require_safe(self) -> None:
        self._require_going_on()
        if self._stop_pressed:
            raise HoldError("the emergency stop is pressed: release it (emergency_stop: false), then activate")
        if self._timeout > 0 and self._supervisor_says_hold:
            raise HoldError("the supervisor says hold: its diagnostics say why; cure that, then activate")

    def _start(self, how_far: str) -> None:
        self._starting.cancel()
        with self.border():
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS and how_far == "activate":
                self.trigger_activate()

    # --- safety ---------------------------------------------------------------------------------------------------

    def _on_emergency_stop(self, message: Bool) -> None:
        pressed, self._stop_pressed = self._stop_pressed, bool(message.data)
        if message.data and not pressed:
            self._stop("emergency stop")

    def _on_supervisor(self, message: Bool) -> None:
        self._supervisor_seen = time.monotonic()
        before, self._supervisor_says_hold = self._supervisor_says_hold, bool(message.data)
        if self._timeout > 0 and message.data and not before:
            self._stop("the supervisor says hold")

    def _watch_supervisor(self) -> None:
        silent = time.monotonic() - self._supervisor_seen
        if silent > self._timeout and not self._supervisor_says_hold:
            self._supervisor_says_hold = True  # until it says otherwise
            self._stop(f"the supervisor is silent for {silent:.2f} s")

    def _stop(self, reason: str) -> None:
        with self.border():
            self.hold(ErrorCode.HOLD, reason)
            if self._enabled:
                self.diagnose(ErrorCode.HOLD, f"{reason}: on hold; deactivate and activate to move again")

    def close(self) -> None:
        """See :class:`VnbNode`; releases the device, which leaves its documented final state."""
        if not self.closing.is_set():
            self._leaving.set()  # first: a transition may be waiting its turn
            with self.border():
                self.release()
        super().close()
