"""What a depth camera makes of the true depth: noise, wrong edges, holes, quantisation, a limited range.

The laws are those of the descriptions (see :func:`vnb_grasp.optics.pinhole.depth_noise`). Neighbouring pixels share
their noise in blocks, as the windows of any matching make them do; independent noise would average away and flatter
every estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vnb_grasp.description import CameraDescription

Depth = NDArray[np.float32]

_EDGE = 0.015
"""Step of depth between neighbours that makes an edge [m]."""


@dataclass(frozen=True)
class DepthDefects:
    """Shares of the pixels that go wrong, beside the camera's noise.

    Attributes:
        edge_hole: Of edge pixels that give nothing.
        edge_flying: Of edge pixels that give a depth somewhere between both sides.
        speckle: Of blocks anywhere that give nothing.
        grazing: Angles between the surface's normal and the ray from which holes begin, and beyond which there is
            nothing but holes [degrees].
        grazing_growth: Factor on the noise at the second of these angles; it grows from 60 degrees on.
    """

    edge_hole: float = 0.4
    edge_flying: float = 0.4
    speckle: float = 0.003
    grazing: tuple[float, float] = (72.0, 86.0)
    grazing_growth: float = 3.0


def measure(
    depth: Depth, camera: CameraDescription, rng: np.random.Generator, defects: DepthDefects | None = None
) -> NDArray[np.uint16]:
    """Return the image that the camera sends (height, width): whole millimetres, 0 where it has nothing.

    Args:
        depth: True depth along the optical axis (height, width) [m]; infinite where there is nothing.
        camera: Whose noise and range.
        rng: Generator of everything that is drawn.
        defects: What else goes wrong; the defaults if None.
    """
    defects = defects or DepthDefects()
    seen = np.isfinite(depth) & (depth < camera.far)
    z = np.where(seen, depth, np.float32(camera.far))
    low, high = ndimage.minimum_filter(z, 3), ndimage.maximum_filter(z, 3)
    edge = high - low > np.float32(_EDGE) * np.maximum(low, 1.0)
    tilt = _incidence(z, camera)
    noisy = z + _noise(z, tilt, camera, defects, rng)
    noisy = _quantised(noisy, camera)
    start, end = defects.grazing
    lost = rng.random(z.shape, dtype=np.float32) < np.clip((tilt - start) / (end - start), 0.0, 1.0)
    chance = rng.random(z.shape, dtype=np.float32)
    lost = np.where(edge, chance < defects.edge_hole, lost)
    flying = edge & ~lost & (chance < defects.edge_hole + defects.edge_flying)
    share = rng.random(z.shape, dtype=np.float32)
    noisy = np.where(flying, low + share * (np.minimum(high, low + 0.3) - low), noisy)
    lost |= _blocks(rng.random(_block_shape(z, camera), dtype=np.float32), z, camera) < defects.speckle
    lost |= ~seen | (noisy < camera.near) | (noisy > camera.far)
    if camera.principle == "active_stereo":  # the second imager does not see the left margin
        lost |= np.arange(z.shape[1]) < camera.fx * camera.baseline / z
    millimetres = np.clip(np.rint(noisy * 1000.0), 0, 65535)
    return np.where(lost, 0, millimetres).astype(np.uint16)


def _incidence(z: Depth, camera: CameraDescription) -> Depth:
    """Return the angle between normal and ray at each pixel [degrees], for a surface that is smooth there."""
    dzdv, dzdu = np.gradient(z)
    rows, columns = (axis.astype(np.float32) for axis in np.ogrid[: z.shape[0], : z.shape[1]])
    fx, fy = np.float32(camera.fx), np.float32(camera.fy)
    u, v = columns - np.float32(camera.cx), rows - np.float32(camera.cy)
    # The normal of z(u, v) in the optical frame is (-z_u fx, -z_v fy, z + (u - cx) z_u + (v - cy) z_v) up to scale; its
    # product with the ray ((u - cx) / fx, (v - cy) / fy, 1) is z.
    nx, ny = dzdu * fx, dzdv * fy
    nz = z + dzdu * u + dzdv * v
    cosine = z / np.sqrt((nx**2 + ny**2 + nz**2) * ((u / fx) ** 2 + (v / fy) ** 2 + np.float32(1.0)))
    return np.degrees(np.arccos(np.clip(cosine, np.float32(0.0), np.float32(1.0))))


def _noise(z: Depth, tilt: Depth, camera: CameraDescription, defects: DepthDefects, rng: np.random.Generator) -> Depth:
    if camera.principle == "active_stereo":
        sigma = z**2 * np.float32(camera.disparity_noise / (camera.fx * camera.baseline))
    else:
        a, b, c = (np.float32(value) for value in camera.axial)
        sigma = a + b * (z - c) ** 2
    growth = 1.0 + (defects.grazing_growth - 1.0) * np.clip((tilt - 60.0) / (defects.grazing[1] - 60.0), 0.0, 1.0)
    common = _blocks(rng.standard_normal(_block_shape(z, camera), dtype=np.float32), z, camera)
    return np.asarray(sigma * growth * common, dtype=np.float32)


def _quantised(z: Depth, camera: CameraDescription) -> Depth:
    """Round the disparity to the device's step."""
    scale = camera.fx * camera.baseline / camera.disparity_step
    return np.asarray(scale / np.maximum(np.rint(scale / np.maximum(z, 0.05)), 1.0), dtype=np.float32)


def _block_shape(z: Depth, camera: CameraDescription) -> tuple[int, int]:
    n = camera.correlation
    return -(-z.shape[0] // n), -(-z.shape[1] // n)


def _blocks(values: Depth, z: Depth, camera: CameraDescription) -> Depth:
    """Return one value per pixel (height, width) of one per block."""
    n = camera.correlation
    return values.repeat(n, 0).repeat(n, 1)[: z.shape[0], : z.shape[1]]
