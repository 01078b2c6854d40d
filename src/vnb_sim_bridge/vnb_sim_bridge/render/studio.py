"""The world as a photographer would set it up: the same bodies, with light, surfaces and a background for the eye.

The studio has its own model and data, built from the same descriptions, so that nothing drawn can reach the physics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_sim_bridge.render.gl import open_context
from vnb_sim_bridge.world.model import TABLE_HEIGHT, build_spec
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

_BACKGROUND = ((0.90, 0.92, 0.95), (0.62, 0.68, 0.76))
_TABLE = (0.86, 0.80, 0.72)
_ARROW = (0.10, 0.36, 0.90, 1.0)
_ARROW_LENGTH = 0.010
"""Length of a drawn force [m/N]."""
_SMALLEST_FORCE = 0.1
_LARGEST_SIDE = 800


@dataclass(frozen=True)
class Shot:
    """Where the camera stands.

    Attributes:
        lookat: Point in the middle of the picture, world [m].
        distance: [m].
        azimuth, elevation: Direction of view [deg].
    """

    lookat: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float

    def camera(self) -> mujoco.MjvCamera:
        """Return it for the engine."""
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        camera.lookat[:] = self.lookat
        camera.distance, camera.azimuth, camera.elevation = self.distance, self.azimuth, self.elevation
        return camera


def studio_spec(world: World) -> mujoco.MjSpec:
    """Return the world's specification with light, materials and background; its state vector is the same."""
    spec = build_spec(world.hand, world.arm, world.object, world.parameters)
    bottom, top = _BACKGROUND
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=bottom,
        rgb2=top,
        width=256,
        height=256,
    )
    spec.add_material(name="table", rgba=[1, 1, 1, 1], specular=0.1, shininess=0.2)
    spec.add_material(name="smooth", rgba=[1, 1, 1, 1], specular=0.45, shininess=0.6)
    table = spec.geom("table")
    table.material, table.rgba = "table", [*_TABLE, 1.0]
    for light in list(spec.lights):
        spec.delete(light)
    key, fill = [0.66, 0.64, 0.60], [0.30, 0.32, 0.36]
    spec.worldbody.add_light(pos=[0.9, 1.7, 2.3], dir=[-0.45, -0.42, -0.79], diffuse=key, castshadow=True, cutoff=60)
    spec.worldbody.add_light(pos=[-1.2, 1.4, 1.8], dir=[0.72, -0.3, -0.62], diffuse=fill, castshadow=False)
    visual = spec.visual
    visual.global_.offwidth = visual.global_.offheight = _LARGEST_SIDE
    # Without a GPU the shadow map costs more than the picture: a small one, spent on the surroundings of the object.
    visual.quality.shadowsize = 1024
    visual.map.shadowscale = 0.25
    visual.quality.offsamples = 4
    visual.headlight.ambient = [0.30, 0.30, 0.31]
    visual.headlight.diffuse = [0.22, 0.22, 0.22]
    visual.headlight.specular = [0.1, 0.1, 0.1]
    visual.map.znear, visual.map.zfar = 0.005, 20.0
    return spec


class Studio:
    """Draws states of one world. Use it in one thread, as a context manager.

    Args:
        world: Whose hand, arm and object are drawn; only read.

    Raises:
        RenderError: If this machine cannot draw.
    """

    def __init__(self, world: World) -> None:
        self.model = studio_spec(world).compile()
        self._materialise(world)
        self.data = mujoco.MjData(self.model)
        self._context = open_context(_LARGEST_SIDE, _LARGEST_SIDE)
        self._scene = mujoco.MjvScene(self.model, maxgeom=2000)
        self._option = mujoco.MjvOption()
        self._drawer = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._drawer)

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._drawer.free()
        self._context.free()

    def _materialise(self, world: World) -> None:
        """Give every body's surface a little gloss; colours stay those of the descriptions."""
        smooth = self.model.material("smooth").id
        self.model.geom_matid[self.model.geom_matid < 0] = smooth
        self._object = np.isin(np.arange(self.model.ngeom), list(world.object_geoms))
        self._finger = np.full(self.model.ngeom, -1)
        for geom, finger in world.geom_finger.items():
            self._finger[geom] = finger

    def draw(
        self, qpos: Array, shot: Shot, width: int, height: int, forces: Sequence[tuple[Array, Array]] = ()
    ) -> Image:
        """Return a picture (height, width, 3) of the state ``qpos``.

        Args:
            qpos: Positions of the world's model.
            shot: Camera.
            width, height: Pixels.
            forces: Arrows to draw: point and force, world [m], [N].
        """
        self._pose(qpos, shot)
        for point, force in forces:
            self._add_arrow(point, force)
        return self._read(width, height)

    def visibility(self, qpos: Array, shot: Shot, width: int = 96, height: int = 72) -> float:
        """Return how well a shot shows object and fingers; hiding a finger costs more than enlarging one gains."""
        self._pose(qpos, shot)
        flags = self._scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        image = self._read(width, height).astype(np.int64)
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        ids = image[..., 0] + (image[..., 1] << 8) + (image[..., 2] << 16)
        geom_of_id = np.full(self._scene.ngeom + 1, -1)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and 0 <= geom.segid < self._scene.ngeom:
                geom_of_id[geom.segid + 1] = geom.objid
        shown = geom_of_id[np.clip(ids, 0, self._scene.ngeom)]
        shown = shown[shown >= 0]
        fingers = np.bincount(self._finger[shown] + 1, minlength=6)[1:]
        return float(np.sqrt(self._object[shown].sum()) * np.sqrt(fingers).sum()) / (width * height)

    def _pose(self, qpos: Array, shot: Shot) -> None:
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self._context.make_current()
        category = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self.model, self.data, self._option, None, shot.camera(), category, self._scene)

    def _add_arrow(self, point: Array, force: Array) -> None:
        size = float(np.linalg.norm(force))
        if size < _SMALLEST_FORCE or self._scene.ngeom >= self._scene.maxgeom:
            return
        geom = self._scene.geoms[self._scene.ngeom]
        arrow = mujoco.mjtGeom.mjGEOM_ARROW
        mujoco.mjv_initGeom(geom, arrow, np.zeros(3), np.zeros(3), np.zeros(9), np.array(_ARROW, dtype=np.float32))
        # The force pushes into the object: end the arrow at the contact, where it can be seen.
        mujoco.mjv_connector(geom, arrow, 0.0035, point - _ARROW_LENGTH * force, point)
        self._scene.ngeom += 1

    def _read(self, width: int, height: int) -> Image:
        image = np.empty((height, width, 3), dtype=np.uint8)
        view = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(view, self._scene, self._drawer)
        mujoco.mjr_readPixels(image, None, view, self._drawer)
        return np.flipud(image).copy()


def frame_grasp(studio: Studio, qpos: Array, centre: Array, size: float) -> Shot:
    """Return the shot around ``centre`` that shows object and fingers of the state ``qpos`` best.

    Args:
        studio: To try shots in.
        qpos: The hand at the object.
        centre: The object's centre, world (3,) [m].
        size: Extent of what is to be seen [m].
    """
    lookat = (float(centre[0]), float(centre[1]), max(float(centre[2]), TABLE_HEIGHT + 0.05) + 0.015)
    distance = 0.5 * size / math.tan(math.radians(22.5)) * 1.35
    directions = [(azimuth, elevation) for azimuth in range(0, 360, 20) for elevation in (-22, -38)]
    shots = [Shot(lookat, distance, float(azimuth), float(elevation)) for azimuth, elevation in directions]
    return max(shots, key=lambda shot: studio.visibility(qpos, shot))
