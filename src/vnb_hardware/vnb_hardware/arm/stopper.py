"""The thread that stops the arm when something goes wrong, and does not give up until a stop was confirmed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from vnb_grasp.errors import LinkError, VnbError

OnFault = Callable[[VnbError], None]

_AGAIN = 0.1


def insist(stop: Callable[[], None], patience: float) -> None:
    """Send the stop until it is confirmed; after ``patience`` [s] the last attempt's :class:`VnbError` is raised."""
    end = time.monotonic() + patience
    while True:
        try:
            return stop()
        except VnbError:
            if time.monotonic() > end:
                raise
        time.sleep(_AGAIN)


class Stopper:
    """Waits for faults; stops, tells, and stops again where the stop did not get through. Used once.

    Args:
        stop: Sends the stop, which unlike a motion may be repeated; raises :class:`VnbError` if it is not confirmed.
        tell: Called with each fault, after the first stop; None tells nobody.
    """

    def __init__(self, stop: Callable[[], None], tell: OnFault | None) -> None:
        self._stop, self._tell = stop, tell
        self._faults: list[VnbError] = []
        self._closing = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="arm-stop", daemon=True)
        self._thread.start()

    def ask(self, error: VnbError) -> None:
        """Stop because of ``error``, from any thread; returns at once."""
        with self._wake:
            self._faults.append(error)
            self._wake.notify_all()

    def close(self, timeout: float) -> None:
        """Serve what was asked for, once, and end; wait for that up to ``timeout`` [s]."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._faults or self._closing)
                if not self._faults:
                    return
                error = self._faults.pop(0)
            failed = self._try()
            self._say(error if failed is None else LinkError(f"{error} AND {failed}"))
            while failed is not None and not self._closing:
                time.sleep(_AGAIN)
                failed = self._try()

    def _try(self) -> VnbError | None:
        try:
            self._stop()
        except VnbError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a mistake in the way to stop must not end the trying
            return LinkError(f"the stop failed: {type(error).__name__}: {error}")
        return None

    def _say(self, error: VnbError) -> None:
        try:
            if self._tell is not None:
                self._tell(error)
        except Exception:  # whoever listens must not end the thread that stops the arm
            logging.getLogger(__name__).exception("arm: whoever is told of faults failed")
