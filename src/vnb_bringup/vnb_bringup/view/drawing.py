"""The three-dimensional part of the page: things that are made once and then moved."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import trimesh
import viser
from numpy.typing import NDArray

from vnb_bringup.view import colours
from vnb_bringup.view.meshes import cone_mesh, object_mesh, robot_meshes, sphere_mesh
from vnb_bringup.view.scene import CONE_LENGTH, Ellipsoid, Scene
from vnb_grasp.description import ArmDescription, HandDescription, load_object
from vnb_grasp.frames.se3 import matrix_to_quaternion
from vnb_sim_bridge.world.model import TABLE_CENTRE, TABLE_HALF

Array = NDArray[np.float64]

GHOSTS = 8
"""Most belief components drawn."""

_FORCE_LENGTH = 0.004
"""Drawn length of a newton [m]."""

_POINT_SIZE = 0.003
"""Drawn size of a point of a cloud [m]."""

LAYERS = ("truth", "estimate", "belief", "contacts", "paths", "clouds")


class Drawing:
    """The scene on a server.

    Args:
        server: Where to draw.
        arm: The arm.
        hand: The hand on it.
    """

    def __init__(self, server: viser.ViserServer, arm: ArmDescription, hand: HandDescription) -> None:
        self._scene = server.scene
        self._shown = dict.fromkeys(LAYERS, True)
        self._object = ""
        self._last: Scene | None = None
        self._bodies: dict[str, list[Any]] = {"truth": [], "estimate": [], "ghost": []}
        self._add_surroundings()
        self._links = {
            name: self._mesh(f"/robot/{name}", mesh, colours.ARM if part == "arm" else colours.HAND, visible=False)
            for name, (part, mesh) in robot_meshes(arm, hand).items()
        }
        ball, cone = sphere_mesh(), cone_mesh()
        self._ellipsoids = {
            "estimate": self._mesh("/ellipsoid/estimate", ball, colours.ESTIMATE, opacity=0.30, visible=False),
            "belief": self._mesh("/ellipsoid/belief", ball, colours.BELIEF, opacity=0.30, visible=False),
        }
        self._cones = [
            self._mesh(f"/contacts/cone_{i}", cone, colour, opacity=0.55, side="double", visible=False)
            for i, colour in enumerate(colours.FINGER_COLOURS)
        ]
        nothing = np.zeros((1, 2, 3))
        self._forces, self._paths = (
            [
                self._scene.add_line_segments(
                    f"{name}_{i}", nothing, colour, thickness=width, thickness_units="screen", visible=False
                )
                for i, colour in enumerate(colours.FINGER_COLOURS)
            ]
            for name, width in (("/contacts/force", 5.0), ("/paths/finger", 3.0))
        )
        self._clouds: dict[str, tuple[NDArray[np.float32], Any]] = {}
        self._caption = self._scene.add_label("/caption", "", anchor="bottom-center", visible=False)

    def _add_surroundings(self) -> None:
        width, depth, height = (2 * half for half in TABLE_HALF)
        self._scene.add_box("/table", colours.TABLE, (width, depth, height), position=TABLE_CENTRE, cast_shadow=False)
        self._scene.configure_default_lights(cast_shadow=False)

    def _mesh(self, name: str, mesh: trimesh.Trimesh, colour: colours.RGB, **options: Any) -> Any:
        return self._scene.add_mesh_simple(
            name, np.asarray(mesh.vertices), np.asarray(mesh.faces), color=colour, cast_shadow=False, **options
        )

    def show_layer(self, layer: str, shown: bool) -> None:
        """Show or hide one of :data:`LAYERS`."""
        self._shown[layer] = shown
        if self._last is not None:
            self.show(self._last, self._object)

    def show(self, scene: Scene, object_name: str) -> None:
        """Draw a scene.

        Raises:
            UnknownNameError: If the object is not known.
        """
        self._last = scene
        if object_name and object_name != self._object:
            self._make_bodies(object_name)
        for name, link in self._links.items():
            _place(link, scene.links.get(name))
        for name, pose in (("truth", scene.truth), ("estimate", scene.estimate)):
            for body in self._bodies[name]:
                _place(body, pose if self._shown[name] else None)
        for i, ghost in enumerate(self._bodies["ghost"]):
            drawn = self._shown["belief"] and i < len(scene.ghosts)
            _place(ghost, scene.ghosts[i].pose if drawn else None)
            if drawn:
                ghost.opacity = round(0.06 + 0.40 * scene.ghosts[i].weight, 3)
        self._show_ellipsoid("estimate", scene.estimate_ellipsoid)
        self._show_ellipsoid("belief", scene.belief_ellipsoid)
        self._show_contacts(scene)
        self._show_paths(scene)
        self._show_clouds(scene)
        self._show_caption(scene)

    def _make_bodies(self, name: str) -> None:
        """Make the meshes of another object."""
        for bodies in self._bodies.values():
            for body in bodies:
                body.remove()
        mesh, rgba = object_mesh(name), load_object(name).rgba
        own = tuple(round(255 * value) for value in rgba[:3])
        self._bodies = {
            "truth": [self._mesh("/object/truth", mesh, own, visible=False)],  # type: ignore[arg-type]
            "estimate": [
                self._mesh("/object/estimate", mesh, colours.ESTIMATE, wireframe=True, opacity=0.25, visible=False)
            ],
            "ghost": [
                self._mesh(f"/belief/ghost_{i}", mesh, colours.BELIEF, opacity=0.1, visible=False)
                for i in range(GHOSTS)
            ],
        }
        self._object = name

    def _show_ellipsoid(self, name: str, ellipsoid: Ellipsoid | None) -> None:
        shown = self._shown[name] and ellipsoid is not None
        _place(self._ellipsoids[name], ellipsoid.pose if shown and ellipsoid is not None else None)
        if ellipsoid is not None:
            self._ellipsoids[name].scale = tuple(float(radius) for radius in np.maximum(ellipsoid.radii, 1e-5))

    def _show_contacts(self, scene: Scene) -> None:
        found = {cone.finger: cone for cone in scene.cones} if self._shown["contacts"] else {}
        for i, (handle, arrow) in enumerate(zip(self._cones, self._forces, strict=True)):
            cone = found.get(i)
            arrow.visible = cone is not None and math.isfinite(cone.force)
            if cone is None:
                handle.visible = False
                continue
            radius = CONE_LENGTH * math.tan(min(cone.half_angle, 1.4))
            handle.scale = (radius, radius, CONE_LENGTH)
            _place(handle, _frame_along(cone.apex, cone.axis))
            if arrow.visible:
                tip = cone.apex - _FORCE_LENGTH * cone.force * cone.axis
                arrow.points = np.stack((cone.apex, tip)).astype(np.float32)[None]

    def _show_paths(self, scene: Scene) -> None:
        for i, line in enumerate(self._paths):
            line.visible = scene.paths is not None and self._shown["paths"]
            if scene.paths is not None:
                path = scene.paths[i]
                line.points = np.stack((path[:-1], path[1:]), axis=1)

    def _show_clouds(self, scene: Scene) -> None:
        """Send a cloud only when it is another one: it is by far the largest thing on the page."""
        for camera, (_, handle) in self._clouds.items():
            handle.visible = self._shown["clouds"] and camera in scene.clouds
        for camera, points in scene.clouds.items() if self._shown["clouds"] else ():
            if camera not in self._clouds:
                colour = colours.CLOUDS[len(self._clouds) % len(colours.CLOUDS)]
                handle = self._scene.add_point_cloud(
                    f"/clouds/{camera}", points, colour, point_size=_POINT_SIZE, precision="float32"
                )
            elif self._clouds[camera][0] is not points:
                handle = self._clouds[camera][1]
                handle.points = points
            else:
                continue
            self._clouds[camera] = points, handle

    def _show_caption(self, scene: Scene) -> None:
        anchor = scene.truth if scene.truth is not None else scene.estimate
        self._caption.visible = anchor is not None
        if anchor is not None:
            self._caption.text = scene.text
            self._caption.position = tuple(anchor[:3, 3] + np.array([0.0, 0.0, 0.15]))


def _place(handle: Any, pose: Array | None) -> None:
    """Move a thing to a pose (4, 4), or hide it."""
    if pose is None:
        handle.visible = False
        return
    handle.position = tuple(pose[:3, 3])
    handle.wxyz = tuple(matrix_to_quaternion(torch.from_numpy(np.ascontiguousarray(pose[:3, :3]))).tolist())
    handle.visible = True


def _frame_along(origin: Array, axis: Array) -> Array:
    """Return a pose (4, 4) at ``origin`` whose z axis is ``axis``."""
    helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
    x = np.cross(helper, axis)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((x, np.cross(axis, x), axis), axis=-1)
    pose[:3, 3] = origin
    return pose
