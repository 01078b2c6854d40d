"""The page: scene and panel of the present moment, and a player where the moments are known beforehand."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

from vnb_bringup.view.drawing import Drawing
from vnb_bringup.view.history import History
from vnb_bringup.view.panel import Panel
from vnb_bringup.view.scene import SceneBuilder
from vnb_bringup.view.server import LocalServer
from vnb_bringup.view.snapshot import Snapshot
from vnb_grasp.description import ArmDescription, HandDescription

_CAMERA = (0.52, 1.22, 1.22)
_TARGET = (0.0, 0.86, 0.90)
_PLOT_PERIOD = 0.4
"""Least time between two drawings of the plots [s]; the rest follows at once."""
_RESTART = 0.5
"""Time for which the last moment is shown where time begins again after it, at speed 1 [s]."""
_ROUNDING = 1e-6
"""Time that sums of steps may fall short of a moment [s]."""


class Page:
    """The page on a server.

    Args:
        server: Where it is served.
        arm: The arm.
        hand: The hand on it.
    """

    def __init__(self, server: LocalServer, arm: ArmDescription, hand: HandDescription) -> None:
        self.server = server
        server.gui.configure_theme(
            control_layout="collapsible", control_width="medium", show_logo=False, show_share_button=False
        )
        server.initial_camera.position = _CAMERA
        server.initial_camera.look_at = _TARGET
        self._builder = SceneBuilder(arm, hand)
        self._drawing = Drawing(server, arm, hand)
        self._lock = threading.Lock()
        self.panel = Panel(server, self._show_layer)
        self._plotted = 0.0

    def _show_layer(self, layer: str, shown: bool) -> None:
        with self._lock, self.server.atomic():
            self._drawing.show_layer(layer, shown)

    def show(self, snapshot: Snapshot, history: History | None = None, *, plot_now: bool = False) -> None:
        """Show a moment.

        Args:
            snapshot: The moment.
            history: What led to it; None leaves the plots as they are.
            plot_now: Draw the plots even if they were drawn just now.

        Raises:
            ShapeError: If the joints are those of another robot.
            UnknownNameError: If the object is not known.
        """
        scene = self._builder.build(snapshot)
        due = plot_now or time.monotonic() - self._plotted > _PLOT_PERIOD
        with self._lock, self.server.atomic():
            self._drawing.show(scene, snapshot.object_name)
            self.panel.show(snapshot, history if due else None)
        if due and history is not None:
            self._plotted = time.monotonic()

    def add_player(self, snapshots: Sequence[Snapshot]) -> Player:
        """Make a player of known moments and show the first one."""
        return Player(self, snapshots)


def _histories(snapshots: Sequence[Snapshot]) -> list[History]:
    """Return the history that each moment is part of; where time begins again, so does another one."""
    found: list[History] = []
    for previous, snapshot in zip([None, *snapshots[:-1]], snapshots, strict=True):
        fresh = previous is None or snapshot.time < previous.time
        found.append(History() if fresh else found[-1])
        found[-1].add(snapshot)
    return found


def _film_times(snapshots: Sequence[Snapshot]) -> list[float]:
    """Return when each moment is shown after the first one, at speed 1 [s]."""
    steps = (after.time - before.time for before, after in pairwise(snapshots))
    return list(accumulate((step if step >= 0.0 else _RESTART for step in steps), initial=0.0))


class Player:
    """Goes through known moments by slider or in time.

    Args:
        page: Where to show them.
        snapshots: At least one.
    """

    def __init__(self, page: Page, snapshots: Sequence[Snapshot]) -> None:
        self._page, self._snapshots = page, snapshots
        self._histories = _histories(snapshots)
        self._times = _film_times(snapshots)
        self._index, self._playhead = 0, 0.0
        folder = page.panel.player_slot
        folder.visible = True
        gui = page.server.gui
        with folder:
            last = len(snapshots) - 1
            self._slider: Any = gui.add_slider("moment", 0, max(last, 1), 1, 0, disabled=last == 0)
            self._button = gui.add_button("Play")
            self._speed = gui.add_dropdown("speed", ("0.25", "0.5", "1", "2", "4"), initial_value="1")
        self._playing = threading.Event()
        self._slider.on_update(lambda _: self._show())
        self._button.on_click(lambda _: self._toggle())
        self._show()

    def _show(self) -> None:
        """Show the moment of the slider; the plots end there."""
        index = min(int(self._slider.value), len(self._snapshots) - 1)
        snapshot = self._snapshots[index]
        self._page.show(snapshot, self._histories[index].until(snapshot.time), plot_now=not self._playing.is_set())

    def _toggle(self) -> None:
        if self._playing.is_set():
            self._playing.clear()
        else:
            if self._slider.value >= len(self._snapshots) - 1:
                self._slider.value = 0
            self._playing.set()
        self._button.label = "Pause" if self._playing.is_set() else "Play"

    def tick(self, elapsed: float) -> None:
        """Go on by ``elapsed`` seconds if it plays, to the last moment that is due by then."""
        if not self._playing.is_set():
            return
        last = len(self._snapshots) - 1
        index = min(int(self._slider.value), last)
        if index != self._index:  # somebody moved the slider
            self._playhead = self._times[index]
        self._playhead += elapsed * float(self._speed.value)
        self._index = bisect_right(self._times, self._playhead + _ROUNDING) - 1
        if self._index != index:
            self._slider.value = self._index
        if self._index == last:
            self._toggle()
