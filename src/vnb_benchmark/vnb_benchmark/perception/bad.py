"""Views from which a right pose cannot or may not be had: what an estimator should own up to instead of guessing.

Other things are put into the pictures by depth: of two worlds that share robot and table, each pixel shows what is
nearer. Whatever is spoilt is unknown to the estimators, which believe in the usual cameras, joints and noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vnb_benchmark.perception.look import Shot
from vnb_benchmark.perception.occluded import LookAtGrasp
from vnb_benchmark.perception.poses import SPAWN, TrialPose, at_rest
from vnb_grasp.description import CameraDescription, known_objects
from vnb_grasp.errors import ConfigError
from vnb_grasp.optics.pinhole import intrinsics_of
from vnb_perception.images.segment import SegmentConfig
from vnb_perception.objects.model import described_model
from vnb_sim_bridge.cameras.noise import DepthDefects, measure
from vnb_sim_bridge.cameras.rig import CameraRig, DepthFrame
from vnb_sim_bridge.scenario import Scenario, stream
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]
Depth = NDArray[np.float32]
Rng = np.random.Generator

ABSENT = ("nothing there", "another object")
"""Cases in which the object is not there."""
CASES = (
    *ABSENT,
    "a twin beside it",
    "touching another",
    "behind another",
    "behind a plate",
    "half not measured",
    "cut off",
    "in the hand",
    "joints off",
    "camera knocked",
    "noise x 4",
    "holes",
)
"""Names of the cases; docs/perception.md says what each does."""
_AWAY = np.array([5.0, 5.0, 0.5])
"""Where what is not there is [m]."""


def bad_poses(repeats: int, seed: int, objects: Sequence[str] = ()) -> tuple[TrialPose, ...]:
    """Return standing poses near the spawn point, ``repeats`` for every object and case.

    Raises:
        ConfigError: If ``repeats`` is less than 1.
    """
    if repeats < 1:
        raise ConfigError(f"bad cases: got {repeats} repeats, expected at least 1")
    poses: list[TrialPose] = []
    for name in objects or known_objects():
        for case in CASES:
            for i in range(repeats):
                number = seed * 100_003 + len(poses)
                rng = stream(seed, f"bad case/{name}/{case}", i)
                turn = Rotation.from_euler("z", _turn(rng, case)).as_matrix()
                x, y = _edge_of_workspace(rng) if case == "cut off" else _near_spawn(rng)
                poses.append(TrialPose(name, at_rest(name, turn, x, y), number, case, case not in ABSENT))
    return tuple(poses)


def _turn(rng: Rng, case: str) -> float:
    """Return a heading [rad]; one that the hand can reach where it is to take hold."""
    return float(rng.uniform(-0.2, 0.2) if case in ("in the hand", "joints off") else rng.uniform(0, 2 * math.pi))


def _near_spawn(rng: Rng) -> tuple[float, float]:
    """Return a place within 5 cm of the spawn point along each axis [m]."""
    dx, dy = rng.uniform(-0.05, 0.05, 2)
    return SPAWN[0] + float(dx), SPAWN[1] + float(dy)


def _edge_of_workspace(rng: Rng) -> tuple[float, float]:
    """Return a place within 2 cm of the workspace's border [m]."""
    config = SegmentConfig()
    axis, side = rng.integers(2), rng.integers(2)
    place = np.array([rng.uniform(-0.25, 0.15), rng.uniform(0.70, 1.05)])
    place[axis] = (config.low, config.high)[side][axis] + rng.uniform(-0.02, 0.02)
    return float(place[0]), float(place[1])


class BadLook:
    """Takes the pictures of a bad case, which the pose's group names."""

    def __init__(self) -> None:
        self._extras: dict[str, _Extra] = {}
        self._grasp = LookAtGrasp()

    def __call__(self, pose: TrialPose, world: World, rig: CameraRig) -> Shot:
        """See :data:`~vnb_benchmark.perception.look.Look`."""
        rng = stream(pose.seed, "bad case")
        knocked = rng.integers(len(rig.cameras))
        around: list[tuple[_Extra, Array]] = []
        if pose.group in ABSENT:
            world.set_object_pose(_AWAY, np.array([1.0, 0.0, 0.0, 0.0]))
        if pose.group in ("in the hand", "joints off"):
            self._grasp.take_hold(pose, world, close=pose.group == "in the hand")
        other = self._beside(pose, rig.cameras[knocked], rng)
        if other is not None:
            around.append((self._extra(other[0]), other[1]))
        frames = []
        for i, camera in enumerate(rig.cameras):
            place = rig.true_place(camera)
            if pose.group == "camera knocked" and i == knocked:
                place = _knocked(place, rng)
            depth = rig.depth(camera, place)
            for extra, T in around:
                depth = np.minimum(depth, extra.depth(pose.seed, T, camera, place))
            if pose.group in ("behind a plate", "half not measured"):
                depth = _covered(depth, pose, camera, place, rng, plate=pose.group == "behind a plate")
            frames.append(_measured(depth, camera, pose.group, rig.noise(camera, 0)))
        off = 0.03 * rng.choice([-1.0, 1.0], 6) if pose.group == "joints off" else np.zeros(6)
        return Shot(tuple(frames), world.arm_q() + off, world.hand_q())

    def _extra(self, name: str) -> _Extra:
        return self._extras.get(name) or self._extras.setdefault(name, _Extra(name))

    def _beside(self, pose: TrialPose, camera: CameraDescription, rng: Rng) -> tuple[str, Array] | None:
        """Return the other object of a case and its pose (4, 4); None without any."""
        name, here = pose.object_name, pose.T_world_object[:2, 3]
        others = _by_size(name)
        heading = rng.uniform(0, 2 * math.pi)
        turn = Rotation.from_euler("z", rng.uniform(0, 2 * math.pi)).as_matrix()
        if pose.group == "another object":
            return others[pose.seed % 3], at_rest(others[pose.seed % 3], turn, *here)
        if pose.group == "a twin beside it":
            away = here + rng.uniform(0.12, 0.16) * np.array([np.cos(heading), np.sin(heading)])
            return name, at_rest(name, turn, *away)
        if pose.group == "touching another":
            other = others[rng.integers(len(others))]
            gap = _reach(name) + _reach(other) - rng.uniform(0.0, 0.01)
            return other, at_rest(other, turn, *(here + gap * np.array([np.cos(heading), np.sin(heading)])))
        if pose.group == "behind another":
            towards = np.asarray(camera.position[:2]) - here
            towards /= np.linalg.norm(towards)
            aside = rng.uniform(-0.04, 0.04) * np.array([-towards[1], towards[0]])
            other = "box" if name == "mustard_bottle" else "mustard_bottle"
            gap = _reach(name) + _reach(other) + 0.01
            return other, at_rest(other, turn, *(here + gap * towards + aside))
        return None


class _Extra:
    """A second world, whose object is put into the pictures of the first."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _made(self) -> tuple[World, CameraRig]:
        world = World(Scenario(self._name))
        return world, CameraRig(world)

    def depth(self, seed: int, T_world_object: Array, camera: CameraDescription, place: Array) -> Depth:
        world, rig = self._made
        world.reset(Scenario(self._name, seed=seed))
        x, y, z, w = Rotation.from_matrix(T_world_object[:3, :3]).as_quat()
        world.set_object_pose(T_world_object[:3, 3], np.array([w, x, y, z]))
        return rig.depth(camera, place)


def _by_size(name: str) -> list[str]:
    """Return the other objects, those of the most similar size first."""
    own = np.sort(described_model(name).extents)
    others = [other for other in known_objects() if other != name]
    return sorted(others, key=lambda other: float(np.abs(np.sort(described_model(other).extents) - own).max()))


def _reach(name: str) -> float:
    """Return half an object's footprint across its longer side [m]."""
    return 0.5 * float(described_model(name).extents[:2].max())


def _knocked(place: Array, rng: Rng) -> Array:
    """Return a camera's place (4, 4) after a knock: 15 to 40 mm and up to 2 degrees in any direction."""
    moved = place.copy()
    shift, axis = rng.standard_normal(3), rng.standard_normal(3)
    moved[:3, 3] += rng.uniform(0.015, 0.04) * shift / np.linalg.norm(shift)
    turn = rng.uniform(0.0, math.radians(2.0)) * axis / np.linalg.norm(axis)
    moved[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ moved[:3, :3]
    return moved


def _covered(depth: Depth, pose: TrialPose, camera: CameraDescription, place: Array, rng: Rng, *, plate: bool) -> Depth:
    """Return the image with 50 to 90 % of the object's length in it lost, or behind a plate 4 cm in front of it."""
    model = described_model(pose.object_name)
    corners = model.vertices @ pose.T_world_object[:3, :3].T + pose.T_world_object[:3, 3]
    inside = (corners - place[:3, 3]) @ place[:3, :3]
    v, u = intrinsics_of(camera).project(inside)
    angle = rng.uniform(0, 2 * math.pi)
    along = np.cos(angle) * v + np.sin(angle) * u
    end = along.min() + rng.uniform(0.5, 0.9) * np.ptp(along)
    rows, columns = np.ogrid[: depth.shape[0], : depth.shape[1]]
    near = (rows > v.min() - 8) & (rows < v.max() + 8) & (columns > u.min() - 8) & (columns < u.max() + 8)
    hidden = near & (np.cos(angle) * rows + np.sin(angle) * columns < end)
    put = np.float32(inside[:, 2].min() - 0.04) if plate else np.float32(np.inf)
    return np.where(hidden, put, depth).astype(np.float32)


def _measured(depth: Depth, camera: CameraDescription, case: str, rng: Rng) -> DepthFrame:
    defects, taking = DepthDefects(), camera
    if case == "noise x 4":
        a, b, c = camera.axial
        louder = {"axial": (4 * a, 4 * b, c), "disparity_noise": 4 * camera.disparity_noise}
        taking = camera.model_copy(update=louder)
    if case == "holes":
        defects = DepthDefects(edge_hole=0.7, edge_flying=0.3, speckle=float(rng.uniform(0.5, 0.9)))
    return DepthFrame(camera, measure(depth, taking, rng, defects))
