"""Take pictures and film a world without touching it.

A :class:`Filmer` only copies positions while the trial runs, which costs microseconds and no graphics; the pictures are
developed afterwards, in whichever thread asks, in a :class:`vnb_sim_bridge.render.studio.Studio` of their own.

Whoever owns the world calls, or lets :class:`vnb_sim_bridge.render.observed.ObservedBridge` call:

- ``frame(world)`` whenever the world has advanced (at most every few milliseconds of simulated time is kept),
- ``snap(world, "before")`` when the hand waits around the object, ``snap(world, "closed")`` when the fingers have
  closed, and ``snap(world, "lifted")`` after the lift, before the tests.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from vnb_sim_bridge.render.studio import Image, Shot, Studio, frame_grasp
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

SNAPS = ("before", "closed", "lifted")
_MOMENT = 0.019
"""Shortest simulated time between two kept frames [s]."""
_APPROACH = 2.5
"""How much of the way to the object is shown, in simulated time [s]: the arm comes into the picture late."""


@dataclass(frozen=True)
class Negative:
    """One exposed moment: time [s], positions, and contact forces on the object (point, force), world [m], [N]."""

    time: float
    qpos: Array
    forces: tuple[tuple[Array, Array], ...] = ()


@dataclass(frozen=True)
class FilmSettings:
    """Sizes [pixels] and lengths of what is developed.

    Attributes:
        still: Width and height of pictures.
        moving: Width and height of the film.
        frames: Frames of the film: on the way to the object, closing, lifting.
        period: Time that a frame of the film shows [s].
        hold: Time that the last frame shows [s].
    """

    still: tuple[int, int] = (800, 600)
    moving: tuple[int, int] = (360, 270)
    frames: tuple[int, int, int] = (8, 20, 14)
    period: float = 0.07
    hold: float = 1.2


@dataclass(frozen=True)
class Film:
    """Developed pictures: PNG bytes by name, and the bytes of an animated GIF (empty if nothing was filmed)."""

    pictures: Mapping[str, bytes]
    gif: bytes


class Filmer:
    """Collects moments of a trial."""

    def __init__(self) -> None:
        self._world: World | None = None
        self._snaps: dict[str, Negative] = {}
        self._frames: list[Negative] = []

    def snap(self, world: World, name: str) -> None:
        """Remember this moment under ``name``, with its contact forces."""
        forces = tuple(
            (c.position, c.normal_force * c.normal + c.tangential_force) for c in world.contacts() if c.normal_force > 0
        )
        self._world = world
        self._snaps[name] = Negative(world.time, world.data.qpos.copy(), forces)

    def frame(self, world: World) -> None:
        """Remember this moment as a frame of the film, if it is later than the last one."""
        if world is not self._world or (self._frames and world.time < self._frames[-1].time):
            self._frames = []  # another world, or a reset
            self._world = world
        if not self._frames or world.time - self._frames[-1].time >= _MOMENT:
            self._frames.append(Negative(world.time, world.data.qpos.copy()))

    def develop(self, settings: FilmSettings | None = None) -> Film:
        """Draw everything that was collected.

        Raises:
            RenderError: If this machine cannot draw.
        """
        settings = settings or FilmSettings()
        if self._world is None or not self._snaps:
            return Film({}, b"")
        with Studio(self._world) as studio:
            shot = self._choose_shot(studio, self._world)
            pictures = {
                name: _png(studio.draw(negative.qpos, shot, *settings.still, negative.forces))
                for name, negative in self._snaps.items()
            }
            chosen = self._choose_frames(settings.frames)
            images = [studio.draw(negative.qpos, shot, *settings.moving) for negative in chosen]
        return Film(pictures, encode_gif(images, settings.period, settings.hold))

    def _choose_shot(self, studio: Studio, world: World) -> Shot:
        # Around the place where the grasp begins: the object may be anywhere when it ends.
        first = self._snaps.get("before") or next(iter(self._snaps.values()))
        centre = first.qpos[world.object_qpos[:3]]
        return frame_grasp(studio, first.qpos, centre, max(2.0 * world.object.half_height, 0.12) + 0.08)

    def _choose_frames(self, counts: Sequence[int]) -> list[Negative]:
        """Return frames spread evenly in time over each part of the trial, between the snaps."""
        edges = [self._snaps[name].time for name in SNAPS if name in self._snaps]
        parts: list[list[Negative]] = [[] for _ in range(len(counts))]
        for negative in self._frames:
            part = sum(negative.time > edge + 1e-9 for edge in edges)
            early = part == 0 and edges and negative.time < edges[0] - _APPROACH
            if part < len(counts) and not early:
                parts[part].append(negative)
        return [negative for part, count in zip(parts, counts, strict=True) for negative in spread(part, count)]


def spread(items: Sequence[Negative], count: int) -> list[Negative]:
    """Return at most ``count`` items, evenly spread, the last one included."""
    if len(items) <= count:
        return list(items)
    return [items[round(i)] for i in np.linspace(len(items) / count - 1, len(items) - 1, count)]


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def encode_gif(images: Sequence[Image], period: float, hold: float) -> bytes:
    """Return an animated, endlessly looping GIF; empty without images.

    Args:
        images: Frames (height, width, 3).
        period: Time that each shows [s].
        hold: Time that the last shows [s].
    """
    if not images:
        return b""
    # One palette for all frames, so that still parts of the picture do not flicker.
    sample = np.concatenate([images[0], images[len(images) // 2], images[-1]])
    palette = Pillow.fromarray(sample).quantize(255, method=Pillow.Quantize.MEDIANCUT)
    frames = [Pillow.fromarray(image).quantize(palette=palette, dither=Pillow.Dither.NONE) for image in images]
    buffer = io.BytesIO()
    durations = [round(1000 * period)] * (len(frames) - 1) + [round(1000 * hold)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1)
    return buffer.getvalue()
