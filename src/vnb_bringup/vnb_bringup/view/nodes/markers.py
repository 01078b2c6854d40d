"""Markers of a scene: standard messages, so that rviz2 and other viewers draw them without anything of ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import trimesh
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseWithCovarianceStamped, Quaternion, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from vnb_bringup.view import colours
from vnb_bringup.view.meshes import cone_mesh, object_mesh
from vnb_bringup.view.scene import CONE_LENGTH, Cone, Ellipsoid, Scene, figure_text
from vnb_bringup.view.snapshot import Snapshot
from vnb_grasp.frames.pose import Pose as FramePose
from vnb_grasp.nodes.conversions import header, pose_to_message

Array = NDArray[np.float64]

FRAME = "world"
LAYERS = ("object", "belief", "contacts", "paths", "text")
"""Names of the arrays of markers."""

MOST_GHOSTS = 8
FORCE_LENGTH = 0.004
"""Drawn length of a newton [m]."""

TEXT_HEIGHT, TEXT_RISE = 0.02, 0.22
"""Height of a capital letter, and of the text above the object [m]."""


class MarkerBuilder:
    """Makes the markers of one moment after the other; what is no longer there is deleted by name."""

    def __init__(self) -> None:
        self._shown: dict[str, set[tuple[str, int]]] = {layer: set() for layer in LAYERS}
        self._meshes: dict[str, list[Point]] = {}
        self._cone = _triangles(cone_mesh())

    def build(self, scene: Scene, snapshot: Snapshot, stamp: Time) -> dict[str, MarkerArray]:
        """Return the markers of every layer of :data:`LAYERS`.

        Raises:
            UnknownNameError: If the object is not known.
        """
        solid = self._object(snapshot.object_name)
        layers = {
            "object": _object_markers(scene, solid),
            "belief": _belief_markers(scene, solid),
            "contacts": [m for cone in scene.cones for m in _contact_markers(cone, self._cone)],
            "paths": _path_markers(scene),
            "text": _text_markers(scene, snapshot),
        }
        return {name: self._finish(name, markers, stamp) for name, markers in layers.items()}

    def _object(self, name: str) -> list[Point]:
        if name and name not in self._meshes:
            self._meshes[name] = _triangles(object_mesh(name))
        return self._meshes.get(name, [])

    def _finish(self, layer: str, markers: Sequence[Marker], stamp: Time) -> MarkerArray:
        now = {(marker.ns, marker.id) for marker in markers}
        gone = [Marker(ns=ns, id=number, action=Marker.DELETE) for ns, number in sorted(self._shown[layer] - now)]
        self._shown[layer] = now
        result = [*gone, *markers]
        for marker in result:
            marker.header = header(stamp, FRAME)
        return MarkerArray(markers=result)


def estimate_message(snapshot: Snapshot, stamp: Time) -> PoseWithCovarianceStamped | None:
    """Return the estimated pose with its covariance; None where it is not known."""
    if snapshot.estimate is None or snapshot.covariance is None or not np.isfinite(snapshot.covariance).all():
        return None
    message = PoseWithCovarianceStamped(header=header(stamp, FRAME))
    message.pose.pose = _pose(snapshot.estimate)
    message.pose.covariance = snapshot.covariance.ravel().tolist()
    return message


def lost_estimate_message(stamp: Time) -> PoseWithCovarianceStamped:
    """Return what tells that the pose is no longer known: nothing in it is a number."""
    message = PoseWithCovarianceStamped(header=header(stamp, FRAME))
    nan = float("nan")
    message.pose.pose.position = Point(x=nan, y=nan, z=nan)
    message.pose.pose.orientation = Quaternion(x=nan, y=nan, z=nan, w=nan)
    message.pose.covariance = [nan] * 36
    return message


def _pose(transform: Array) -> Pose:
    return pose_to_message(FramePose.from_matrix(torch.from_numpy(np.ascontiguousarray(transform))))


def _point(position: Array) -> Point:
    x, y, z = (float(value) for value in position)
    return Point(x=x, y=y, z=z)


def _triangles(mesh: trimesh.Trimesh) -> list[Point]:
    return [_point(corner) for corner in np.asarray(mesh.triangles).reshape(-1, 3)]


def _colour(rgb: colours.RGB, alpha: float = 1.0) -> ColorRGBA:
    r, g, b = colours.unit(rgb)
    return ColorRGBA(r=r, g=g, b=b, a=float(alpha))


def _marker(ns: str, number: int, kind: int, colour: ColorRGBA, scale: Sequence[float] = (1.0, 1.0, 1.0)) -> Marker:
    x, y, z = (float(value) for value in scale)
    marker = Marker(ns=ns, id=number, type=kind, action=Marker.ADD, color=colour, scale=Vector3(x=x, y=y, z=z))
    marker.pose.orientation = Quaternion(x=0.0, y=0.0, z=0.0, w=1.0)
    return marker


def _solid(ns: str, number: int, pose: Array, points: list[Point], colour: ColorRGBA) -> Marker:
    marker = _marker(ns, number, Marker.TRIANGLE_LIST, colour)
    marker.pose, marker.points = _pose(pose), points
    return marker


def _ellipsoid(ns: str, ellipsoid: Ellipsoid, colour: ColorRGBA) -> Marker:
    diameters = 2.0 * np.maximum(ellipsoid.radii, 1e-6)  # a viewer refuses a size of zero
    marker = _marker(ns, 0, Marker.SPHERE, colour, diameters.tolist())
    marker.pose = _pose(ellipsoid.pose)
    return marker


def _object_markers(scene: Scene, solid: list[Point]) -> list[Marker]:
    markers = []
    for ns, pose, colour in (
        ("estimate", scene.estimate, _colour(colours.ESTIMATE, 0.6)),
        ("truth", scene.truth, _colour(colours.TRUTH, 0.35)),
    ):
        if solid and pose is not None and np.isfinite(pose).all():
            markers.append(_solid(ns, 0, pose, solid, colour))
    return markers


def _belief_markers(scene: Scene, solid: list[Point]) -> list[Marker]:
    markers = []
    if solid:
        for i, ghost in enumerate(scene.ghosts[:MOST_GHOSTS]):
            colour = _colour(colours.BELIEF, 0.08 + 0.5 * ghost.weight)
            markers.append(_solid("components", i, ghost.pose, solid, colour))
    if scene.belief_ellipsoid is not None:
        markers.append(_ellipsoid("position", scene.belief_ellipsoid, _colour(colours.BELIEF, 0.35)))
    return markers


def _contact_markers(cone: Cone, mesh: list[Point]) -> list[Marker]:
    colour = colours.FINGER_COLOURS[cone.finger]
    radius = CONE_LENGTH * math.tan(cone.half_angle)
    sides = _marker("cones", cone.finger, Marker.TRIANGLE_LIST, _colour(colour, 0.5), (radius, radius, CONE_LENGTH))
    sides.pose, sides.points = _pose(cone_pose(cone)), mesh
    force = _marker("forces", cone.finger, Marker.ARROW, _colour(colour), (0.003, 0.006, 0.0))
    length = FORCE_LENGTH * (cone.force if math.isfinite(cone.force) else 0.0)
    force.points = [_point(cone.apex - length * cone.axis), _point(cone.apex)]
    return [sides, force]


def cone_pose(cone: Cone) -> Array:
    """Return the pose (4, 4) with its origin in the cone's apex and its z axis along the cone's."""
    z = cone.axis / np.linalg.norm(cone.axis)
    x = np.cross(np.eye(3)[int(np.argmin(np.abs(z)))], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack((x, np.cross(z, x), z), axis=-1), cone.apex
    return pose


def _path_markers(scene: Scene) -> list[Marker]:
    if scene.paths is None:
        return []
    markers = []
    for finger, path in enumerate(scene.paths):
        line = _marker("tips", finger, Marker.LINE_STRIP, _colour(colours.FINGER_COLOURS[finger]), (0.002, 0.0, 0.0))
        line.points = [_point(position) for position in path]
        markers.append(line)
    return markers


def _text_markers(scene: Scene, snapshot: Snapshot) -> list[Marker]:
    place = scene.estimate if scene.estimate is not None else scene.truth
    if place is None or not np.isfinite(place).all():
        return []
    texts = {"figures": figures(snapshot)}
    if snapshot.verdict is not None:
        texts["verdict"] = f"{snapshot.verdict.headline}. {snapshot.verdict.sentence}"
    markers = []
    for i, (ns, text) in enumerate(texts.items()):
        marker = _marker(ns, 0, Marker.TEXT_VIEW_FACING, _colour((20, 24, 31)), (0.0, 0.0, TEXT_HEIGHT))
        marker.pose.position = _point(place[:3, 3] + np.array([0.0, 0.0, TEXT_RISE + 0.13 * i]))
        marker.text = text
        markers.append(marker)
    return markers


def figures(snapshot: Snapshot) -> str:
    """Return risk and wrench space of a moment in words; a dash where something is not known."""
    touching = int(np.count_nonzero(snapshot.contact))
    closed = "" if not math.isfinite(snapshot.epsilon_hat) else ", closed" if snapshot.epsilon_hat > 0 else ", open"
    lines = [
        f"P(fail) {figure_text(snapshot.p_fail, 2)}   CVaR {figure_text(snapshot.cvar)}",
        f"wrench space: ε {figure_text(snapshot.epsilon_hat)}{closed}, {touching} of {len(snapshot.contact)} fingers",
        f"entropy {figure_text(snapshot.entropy, 1)} nat",
    ]
    if snapshot.phase:
        lines.insert(0, f"{snapshot.phase}, step {snapshot.step}")
    return "\n".join(lines)
