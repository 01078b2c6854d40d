"""The hand's driver: a bus, two threads and the core."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from vnb_grasp.errors import HardwareError, HoldError, LinkError, SilenceError, VnbError
from vnb_hardware.hand import frames
from vnb_hardware.hand.core import HandCore
from vnb_hardware.hand.frames import FrameType
from vnb_hardware.hand.settings import HandSettings
from vnb_hardware.hand.state import HandState, Identity, Mode
from vnb_hardware.hand.target import Array, Line

OnFault = Callable[[HardwareError], None]

ANSWER_TIME = 0.5
"""How long the hand may take at least to say where it stands, and whether it is well [s]."""
_IDENTITY_TIME = 0.2
_PAUSE = 0.002
_TURN = 0.0005
_LONGEST_SLEEP = 0.02
_RETRY = 0.02
_JOIN = 2.0
_STEADY = 0.1
"""How far a joint may be from where it was told to stay while it is enabled [rad]."""


class Bus(Protocol):
    """What the driver needs of a bus; failures are :class:`LinkError`."""

    def send(self, data: bytes) -> None:
        """Send a frame to the hand."""

    def receive(self, timeout: float = ...) -> tuple[int, bytes] | None:
        """Return the next frame's id and bytes, None if none came in time."""

    def close(self) -> None:
        """Close it."""


class HandDriver:
    """Connects, listens, enables, moves and holds a hand. All methods may be called from any thread.

    After an error the hand is on hold: nothing moves until it is disabled and enabled again, and a lost bus is not
    opened again by itself. Whatever ends an enabled driver, the last frames on the bus are the *final frames*: the held
    position, twice. Fingers in contact keep pressing with what they pressed, the others stay where they were.

    Args:
        open_bus: Opens the bus; called by :meth:`connect`.
        settings: Of the driver.
        on_fault: Called once, in a thread of the driver, when something puts the hand on hold.
        clock: Monotonic time [s].
    """

    def __init__(
        self,
        open_bus: Callable[[], Bus],
        settings: HandSettings | None = None,
        on_fault: OnFault | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or HandSettings()
        self._open_bus = open_bus
        self._on_fault = on_fault
        self._clock = clock
        self._lock = threading.RLock()
        self._transition = threading.Lock()
        self._moving = threading.Lock()
        self._sending = threading.Lock()  # held from the choice of frames to their way out; taken before the other lock
        self._core = HandCore(self.settings)
        self._bus: Bus | None = None
        self._ending = threading.Event()
        self._wake = threading.Event()
        self._threads: list[threading.Thread] = []
        self._told: HardwareError | None = None

    @property
    def core(self) -> HandCore:
        """The core; for reading what does not change: settings, table, hand."""
        return self._core

    @property
    def held_at(self) -> float:
        """When the hand was last put on hold, on the driver's clock [s]; 0 if it never was."""
        with self._lock:
            return self._core.held_at

    # --- life ---------------------------------------------------------------------------------------------------------

    def connect(self) -> Identity:
        """Open the bus and listen; nothing is sent but questions. Returns what the hand says about itself.

        Raises:
            LinkError: If the bus cannot be opened.
            SilenceError: If the hand does not answer; the bus is closed again.
        """
        with self._transition:
            if self._bus is not None:
                raise LinkError("the hand is connected already; release it first")
            self._core = HandCore(self.settings)
            self._told = None
            self._bus = self._open_bus()
            self._ending.clear()
            self._threads = [
                threading.Thread(target=self._run, args=(job,), name=f"hand-{job.__name__[1:]}", daemon=True)
                for job in (self._receive_once, self._send_once)
            ]
            for thread in self._threads:
                thread.start()
            try:
                self._await_answers("connecting")
                self._ask_identity()
                with self._lock:
                    if isinstance(self._core.error, HoldError):
                        self._core.listen(self._clock())
            except VnbError:
                self._close()
                raise
            return self._core.identity

    def enable(self) -> None:
        """Enable motion: the measured pose is commanded, then speed and torque limits are set; the hand stays still.

        Raises:
            LinkError: If it is not connected, or the bus fails.
            SilenceError: If the hand does not say where it stands: then no command was sent.
            DeviceFaultError: If it reports a fault: then no command was sent.
            HardwareError: If it did not stay where it was.
        """
        with self._transition:
            bus = self._require_bus()
            with self._sending, self._lock:
                self._core.listen(self._clock())
            self._told = None
            self._await_answers("enabling")
            with self._lock:
                self._core.enable(self._clock())  # raises before anything is sent
                start = self._core.state(self._clock()).q
                pose, (speed, torque) = self._core.position_frame(), self._core.limit_frames()
                self._core.listen(self._clock())
            for data, wait in ((pose, 0.01), (pose, 0.01), (speed, 0.003), (speed, 0.05), (torque, 0.05)):
                bus.send(data)
                time.sleep(wait)
            self._await_answers("enabling")
            with self._lock:
                moved = float(np.abs(self._core.state(self._clock()).q - start).max())
                if moved > _STEADY:
                    raise HardwareError(
                        f"a finger moved by {moved:.2f} rad although it was told to stay; is the joint table right?"
                    )
                self._core.enable(self._clock())

    def disable(self) -> None:
        """Hold, send the final frames, and only listen from then on."""
        with self._transition:
            self._final()

    def release(self) -> None:
        """Hold, send the final frames, close the bus. Never fails; nothing to do if nothing is connected."""
        with self._transition:
            self._final()
            self._close()

    def _final(self) -> None:
        """Send the final frames if anything was ever commanded, after whatever is just being sent."""
        with self._lock:
            enabled = self._core.mode is not Mode.LISTENING
            self._core.hold(None, "ending", self._clock())
        with self._sending:
            with self._lock:
                data = self._core.position_frame()
                self._core.listen(self._clock())
            if not enabled or self._bus is None:
                return
            for _ in range(2):
                # A dead bus carries no last words, and the hand keeps its last position by itself; a busy one may.
                with contextlib.suppress(LinkError):
                    self._bus.send(data)
                time.sleep(0.01)

    def _close(self) -> None:
        self._ending.set()
        self._wake.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN)
        self._threads = []
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()

    # --- commands -----------------------------------------------------------------------------------------------------

    def command_velocity(self, velocity: Array, torque: Array | None = None) -> Array:
        """Move the fingers for one horizon; return the velocities (6,) [rad/s] after clipping.

        Raises:
            HoldError: If the hand is not enabled or on hold.
            VnbError: If these are no velocities or torques.
        """
        with self._lock:
            return self._core.command_velocity(velocity, torque, self._clock())

    def command_stop(self) -> None:
        """Keep the present targets; raises :class:`HoldError` if not enabled."""
        with self._lock:
            self._core.command_stop(self._clock())

    def command_open(self) -> None:
        """Open for one horizon at the speed limit; raises :class:`HoldError` if not enabled."""
        with self._lock:
            self._core.command_open(self._clock())

    def move_to(
        self,
        goal: Array,
        duration: float,
        on_progress: Callable[[float], bool] = lambda share: True,
    ) -> Array:
        """Go to ``goal`` (6,) [rad] in a straight line and wait until there; return the targets at the end.

        A joint that has not arrived when the settings' patience ends is taken to be blocked, which is no error.

        Args:
            goal: Angles.
            duration: [s]; longer if the speed limit asks for it.
            on_progress: Called with the share of the way; false stops the fingers where they are and ends the motion.

        Raises:
            HoldError: If the hand is not enabled, goes on hold or gets another command on the way, or another motion to
                a goal is running.
            VnbError: If the goal is none. Whatever ``on_progress`` raises is passed on, after the fingers were stopped.
        """
        if not self._moving.acquire(blocking=False):
            raise HoldError("the hand is moving to another goal; wait for its result or cancel it")
        try:
            return self._move_to(goal, duration, on_progress)
        finally:
            self._moving.release()

    def _move_to(self, goal: Array, duration: float, on_progress: Callable[[float], bool]) -> Array:
        with self._lock:
            self._core.command_line(goal, duration, self._clock())
            line = self._core.servo.line
        if line is None:
            raise HardwareError("the motion ended before it began; send it again")
        try:
            self._watch(line, on_progress)
        finally:  # whatever ended it: nobody watches it any more
            with self._lock:
                if self._core.mode is Mode.ENABLED and self._core.servo.line is line:
                    self._core.command_stop(self._clock())
                reached = self._core.servo.target.copy()
        return reached

    def _watch(self, line: Line, on_progress: Callable[[float], bool]) -> None:
        """Return when the line's goal is reached, its time is over or ``on_progress`` says no."""
        latest = line.begin + self.settings.patience * (line.end - line.begin)
        while True:
            time.sleep(_LONGEST_SLEEP)
            with self._lock:
                now, state, present = self._clock(), self.state(), self._core.servo.line
            if state.mode is not Mode.ENABLED:
                self._core._require_enabled()
            if present is not line:
                raise HoldError("the hand's motion to its goal was ended by another command")
            arrived = bool((np.abs(state.q - line.goal) < np.maximum(2 * self._core.table.resolution, 0.02)).all())
            if (now >= line.end and arrived) or now >= latest:
                return
            if not on_progress(min((now - line.begin) / (line.end - line.begin), 1.0)):
                return

    def hold(self, error: HardwareError | None, reason: str) -> None:
        """Stop at once; commands are refused until the hand is enabled again. Never waits for a transition."""
        with self._lock:
            self._core.hold(error, reason, self._clock())
            self._told = self._core.error  # who holds it knows
        self._wake.set()

    def clear_faults(self) -> None:
        """Ask the hand to clear latched faults; only while it is not enabled.

        Raises:
            HardwareError: If it is enabled.
            LinkError: If the bus fails.
        """
        with self._lock:
            if self._core.mode is Mode.ENABLED:
                raise HardwareError("faults are cleared while the hand is not enabled; disable it first")
        self._require_bus().send(frames.clear_faults())

    def state(self) -> HandState:
        """Return what is known of the hand."""
        with self._lock:
            return self._core.state(self._clock())

    # --- threads ------------------------------------------------------------------------------------------------------

    def _run(self, job: Callable[[], None]) -> None:
        """Repeat a job until the end; whatever it raises puts the hand on hold and the job goes on."""
        while not self._ending.is_set():
            try:
                job()
            except LinkError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - a dead thread would leave the hand moving
                self._fail(HardwareError(f"the driver failed: {type(error).__name__}: {error}"))
            self._tell()

    def _fail(self, error: HardwareError) -> None:
        if self._ending.is_set():
            return
        with self._lock:
            self._core.hold(error, str(error), self._clock())
        self._wake.set()
        self._ending.wait(_RETRY)

    def _tell(self) -> None:
        """Report what put the hand on hold, once."""
        with self._lock:
            error = self._core.error
            news = error is not None and error is not self._told
            self._told = error
        if news and error is not None and self._on_fault is not None:
            try:
                self._on_fault(error)
            except Exception:  # whoever listens must not end a thread that holds the hand
                logging.getLogger(__name__).exception("hand: whoever is told of faults failed")

    def _receive_once(self) -> None:
        bus = self._bus
        if bus is None:
            self._ending.wait(_PAUSE)
            return
        frame = bus.receive()
        if frame is not None:
            with self._lock:
                self._core.receive(*frame, self._clock())

    def _send_once(self) -> None:
        self._wake.clear()
        with self._sending:
            with self._lock:
                batch = self._core.poll(self._clock())
                due = self._core.next_due()
            bus = self._bus
            if bus is not None:
                for data in batch:
                    bus.send(data)
        wait = min(due - self._clock(), _LONGEST_SLEEP)
        if wait > 0:
            self._wake.wait(wait)
        else:
            time.sleep(_TURN)  # where sending takes longer than its period, the final frames still get their turn

    # --- asking -------------------------------------------------------------------------------------------------------

    def _require_bus(self) -> Bus:
        if self._bus is None:
            raise LinkError("the hand is not connected; configure it first")
        return self._bus

    def _await_answers(self, doing: str) -> None:
        """Wait until the hand has said anew where it stands and whether it is well."""
        start = self._clock()
        connecting = doing == "connecting"  # whoever says hold has nothing against listening
        patience = max(ANSWER_TIME, 2 * self.settings.silence)
        while self._clock() - start < patience:
            with self._lock:
                if self._core.heard_since(start):
                    return
                error = self._core.error
            if error is not None and not (connecting and isinstance(error, HoldError)):
                raise error
            time.sleep(_PAUSE)
        raise SilenceError(
            f"{doing}: the hand has not said where it stands and whether it is well within {patience} s; check "
            f"power, the CAN wiring, the bit rate and the hand's side ({self.settings.side})"
        )

    def _ask_identity(self) -> None:
        """Ask for serial number and versions; a hand that does not say is used all the same."""
        bus = self._require_bus()
        for kind in (FrameType.SERIAL, FrameType.PCB_VERSION, *frames.VERSIONS):
            bus.send(frames.request(kind))
        start = self._clock()
        while self._clock() - start < max(_IDENTITY_TIME, self.settings.silence):
            with self._lock:
                if self._core.identity.serial and len(self._core.identity.versions) == 3:
                    return
            time.sleep(_PAUSE)
