"""Draws a world for the emulated cameras, in a thread of its own. Free of ROS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import load_camera
from vnb_grasp.errors import SimulationError
from vnb_hardware.cameras.interface import CameraFrame, Intrinsics
from vnb_hardware.emulators.cameras.server import CameraServer, EmulatedCamera
from vnb_sim_bridge.cameras.rig import CAMERAS, CameraRig, DepthFrame
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

PERIOD = 0.4
"""Time between two images [s], as in simulated trials: drawing and estimating share the machine with the planner."""
_START = 60.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A moment of a world.

    Attributes:
        scenario: Of the world.
        qpos: Positions of all its joints, as the engine has them.
    """

    scenario: Scenario
    qpos: Array


def snapshot_of(world: World) -> Snapshot:
    """Return the present moment of a world."""
    return Snapshot(world.scenario, world.data.qpos.copy())


class DrawnCameras:
    """Emulated cameras, one for each of the robot's, that see a world; a context manager.

    They are named, and stand, as the robot's are. The drawing has a world of its own, so that the one that it looks at
    need not wait.

    Args:
        look: Returns the moment to draw; called in the drawing thread.
        port: Where drivers find them; 0 takes any that is free.
        period: Least time between two images [s].
        color: Whether they give colour too.

    Attributes:
        server: With the cameras and their faults.
        drawn: Images of each camera so far.

    Raises:
        RenderError: If this machine cannot draw; names the packages.
    """

    def __init__(
        self, look: Callable[[], Snapshot], port: int = 0, period: float = PERIOD, color: bool = False
    ) -> None:
        self._look, self._period, self._color = look, period, color
        self.drawn = 0
        self._world: World | None = None
        self._rig: CameraRig | None = None
        self._error: Exception | None = None
        self._ending, self._first = threading.Event(), threading.Event()
        self.server = CameraServer([EmulatedCamera(name, load_camera(name).device) for name in CAMERAS], port)
        self._thread = threading.Thread(target=self._live, name="camera-drawing", daemon=True)
        self._thread.start()
        if not self._first.wait(_START):
            self._error = SimulationError(f"no image was drawn within {_START:.0f} s; is this machine very busy?")
        if self._error is not None:
            self.close()
            raise self._error

    def close(self) -> None:
        """Stop drawing and serving."""
        self._ending.set()
        self._thread.join(_START)
        self.server.close()

    def _live(self) -> None:
        try:
            while not self._ending.is_set():
                due = time.monotonic() + self._period
                self._draw()
                self._first.set()
                self._ending.wait(due - time.monotonic())
        except Exception as error:
            self._error = error  # whoever made this raises it; later the cameras fall silent
            if self._first.is_set() and not self._ending.is_set():
                raise
        finally:
            self._first.set()
            if self._rig is not None:
                self._rig.close()

    def _draw(self) -> None:
        moment, stamp = self._look(), time.time()
        world, rig = self._prepare(moment.scenario)
        world.data.qpos[:] = moment.qpos
        mujoco.mj_fwdPosition(world.model, world.data)
        for frame in rig.take(self.drawn, self._color):
            self.server.cameras[frame.camera.name].show(_as_taken(frame, stamp))
        self.drawn += 1

    def _prepare(self, scenario: Scenario) -> tuple[World, CameraRig]:
        """Return a world in the scenario, and its cameras."""
        world, rig = self._world, self._rig
        if world is not None and rig is not None:
            if world.scenario == scenario:
                return world, rig
            if (world.object.name, world.hand.name) == (scenario.object_name, scenario.hand):
                world.reset(scenario)
                return world, rig
            rig.close()
        self._world = world = World(scenario)
        self._rig = rig = CameraRig(world)
        return world, rig

    def __enter__(self) -> DrawnCameras:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _as_taken(frame: DepthFrame, stamp: float) -> CameraFrame:
    c = frame.camera
    lens = Intrinsics(c.width, c.height, c.fx, c.fy, c.cx, c.cy)
    return CameraFrame(stamp, frame.depth, lens, frame.color, None if frame.color is None else lens)
