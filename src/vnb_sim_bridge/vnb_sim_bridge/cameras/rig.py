"""The robot's depth cameras in a simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_grasp.description import CameraDescription, load_camera
from vnb_grasp.frames.se3 import exp_so3
from vnb_grasp.optics.pinhole import intrinsics_of, place_of
from vnb_sim_bridge.cameras.noise import DepthDefects, measure
from vnb_sim_bridge.cameras.render import DepthRenderer
from vnb_sim_bridge.scenario import stream
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

CAMERAS = ("astra", "d435i")
"""The cameras of the robot, by the names of their descriptions."""


@dataclass(frozen=True, eq=False)
class DepthFrame:
    """One image of one camera.

    Attributes:
        camera: Who took it.
        depth: (height, width) [mm]; 0 where there is nothing.
        color: (height, width, 3), red first, as seen from the same place; None if nobody asked for it.
    """

    camera: CameraDescription
    depth: NDArray[np.uint16]
    color: NDArray[np.uint8] | None = None


class CameraRig:
    """Takes pictures of a world. Use it in one thread: graphics belong to the one that made them.

    Each camera stands a little off where the robot believes it to be; the error is drawn with the scenario, with the
    spread that the description states for the calibration.

    Args:
        world: To look at; only read.
        names: Of the cameras.
        defects: As for :func:`vnb_sim_bridge.cameras.noise.measure`.

    Raises:
        RenderError: If this machine cannot draw; names the packages.
        UnknownNameError: If a camera is not known.
    """

    def __init__(self, world: World, names: Sequence[str] = CAMERAS, defects: DepthDefects | None = None) -> None:
        self.cameras = tuple(load_camera(name) for name in names)
        self._world = world
        self._defects = defects
        width, height = max(c.width for c in self.cameras), max(c.height for c in self.cameras)
        self._renderer = DepthRenderer(world, width, height)

    def take(self, draw: int, color: bool = False) -> tuple[DepthFrame, ...]:
        """Return one image per camera; their noise depends on the scenario's seed, the camera and ``draw`` only."""
        return tuple(self._take(camera, draw, color) for camera in self.cameras)

    def _take(self, camera: CameraDescription, draw: int, color: bool) -> DepthFrame:
        pixels = np.empty((camera.height, camera.width, 3), np.uint8) if color else None
        depth = self._renderer.draw(intrinsics_of(camera), self.true_place(camera), pixels)
        return DepthFrame(camera, measure(depth, camera, self.noise(camera, draw), self._defects), pixels)

    def depth(self, camera: CameraDescription, T_world_optical: Array | None = None) -> NDArray[np.float32]:
        """Return the true depth (height, width) along the optical axis [m]; infinite where there is nothing.

        Args:
            camera: Whose intrinsics.
            T_world_optical: Where it is (4, 4); :meth:`true_place` if None.
        """
        place = self.true_place(camera) if T_world_optical is None else T_world_optical
        return self._renderer.draw(intrinsics_of(camera), place)

    def colour(self, camera: CameraDescription) -> NDArray[np.uint8]:
        """Return the colours (height, width, 3) that the camera sees, red first: pixel by pixel those of its depth."""
        return self._renderer.colour(intrinsics_of(camera), self.true_place(camera))

    def noise(self, camera: CameraDescription, draw: int) -> np.random.Generator:
        """Return the generator of the noise of one image."""
        return stream(self._world.scenario.seed, f"depth/{camera.name}", draw)

    def true_place(self, camera: CameraDescription) -> Array:
        """Return ``T_world_optical`` (4, 4) where the camera really is."""
        error = stream(self._world.scenario.seed, f"calibration/{camera.name}").standard_normal(6)
        place = place_of(camera)
        turn = exp_so3(torch.from_numpy(camera.calibration_rotation * error[3:])).numpy()
        place[:3, :3] = turn @ place[:3, :3]
        place[:3, 3] += camera.calibration_translation * error[:3]
        return place

    def close(self) -> None:
        """Give the graphics memory back."""
        self._renderer.close()
