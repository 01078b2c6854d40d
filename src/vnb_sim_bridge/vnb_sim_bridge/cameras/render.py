"""Draw depth and colour as a camera of stated intrinsics would take them without error."""

from __future__ import annotations

import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_grasp.optics.pinhole import Intrinsics
from vnb_sim_bridge.render.gl import open_context
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]
Depth = NDArray[np.float32]

_NEAR, _FAR = 0.1, 6.0
"""Range that is drawn [m]: all of the cameras' world, at the best resolution of the depth buffer."""
_PLAIN = (
    mujoco.mjtRndFlag.mjRND_SHADOW,
    mujoco.mjtRndFlag.mjRND_REFLECTION,
    mujoco.mjtRndFlag.mjRND_SKYBOX,
    mujoco.mjtRndFlag.mjRND_FOG,
    mujoco.mjtRndFlag.mjRND_HAZE,
)


class DepthRenderer:
    """Draws depth and colours of one world. Everything happens in the thread that made it.

    Args:
        world: To draw; only read.
        width, height: Of the largest image [pixels].

    Raises:
        RenderError: If this machine cannot draw; names the packages.
    """

    def __init__(self, world: World, width: int, height: int) -> None:
        self._world = world
        self._context = open_context(width, height)
        model = world.model
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
        model.vis.global_.offheight = max(model.vis.global_.offheight, height)
        model.vis.quality.offsamples = 0  # a mean of depths over an edge is the depth of nothing
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        for flag in _PLAIN:
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._drawer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._drawer)
        # Left to the collector, buffers would be freed in whatever context is current then: another renderer's.
        self._release = weakref.finalize(self, _release, self._context, self._drawer)

    def draw(self, intrinsics: Intrinsics, T_world_optical: Array, color: NDArray[np.uint8] | None = None) -> Depth:
        """Return the depth (height, width) along the optical axis [m]; infinite where there is nothing.

        Args:
            intrinsics: Of the camera.
            T_world_optical: (4, 4), where it is.
            color: (height, width, 3) that gets the colours, red first; None draws them for nobody.
        """
        self._context.make_current()
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(
            self._world.model, self._world.data, self._option, None, mujoco.MjvCamera(), everything, self._scene
        )
        for camera in self._scene.camera:
            _aim(camera, intrinsics, T_world_optical)
        view = mujoco.MjrRect(0, 0, intrinsics.width, intrinsics.height)
        mujoco.mjr_render(view, self._scene, self._drawer)
        buffer = np.empty((intrinsics.height, intrinsics.width), dtype=np.float32)
        mujoco.mjr_readPixels(color, buffer, view, self._drawer)
        if color is not None:
            color[:] = color[::-1].copy()
        depth = _NEAR / (1.0 - np.flipud(buffer) * np.float32(1.0 - _NEAR / _FAR))
        return np.where(depth < 0.999 * _FAR, depth, np.inf).astype(np.float32)

    def colour(self, intrinsics: Intrinsics, T_world_optical: Array) -> NDArray[np.uint8]:
        """Return the colours (height, width, 3), red first; without noise, shadows or blur."""
        pixels = np.empty((intrinsics.height, intrinsics.width, 3), dtype=np.uint8)
        self.draw(intrinsics, T_world_optical, pixels)
        return pixels

    def close(self) -> None:
        """Give the graphics memory back."""
        self._release()


def _release(context: Any, drawer: mujoco.MjrContext) -> None:
    context.make_current()
    drawer.free()
    context.free()


def _aim(camera: mujoco.MjvGLCamera, intrinsics: Intrinsics, T_world_optical: Array) -> None:
    """Point one of OpenGL's cameras along the optical axis, with a frustum whose pixels are those of the intrinsics."""
    camera.pos = T_world_optical[:3, 3]
    camera.forward = T_world_optical[:3, 2]
    camera.up = -T_world_optical[:3, 1]
    camera.orthographic = 0
    # Pixel centres are at whole numbers, so the image reaches from -0.5 to size - 0.5.
    left, right = -intrinsics.cx - 0.5, intrinsics.width - 0.5 - intrinsics.cx
    top, bottom = intrinsics.cy + 0.5, intrinsics.cy - intrinsics.height + 0.5
    camera.frustum_center = 0.5 * (left + right) / intrinsics.fx * _NEAR
    camera.frustum_width = 0.5 * (right - left) / intrinsics.fx * _NEAR
    camera.frustum_top = top / intrinsics.fy * _NEAR
    camera.frustum_bottom = bottom / intrinsics.fy * _NEAR
    camera.frustum_near, camera.frustum_far = _NEAR, _FAR
