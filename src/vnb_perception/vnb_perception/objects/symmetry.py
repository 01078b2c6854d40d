"""Rotations that leave an object's surface where it is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]


def cube_rotations() -> Array:
    """Return the 24 rotations that map the coordinate axes onto each other (24, 3, 3), the identity first."""
    found = []
    for permutation in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[list(permutation), range(3)] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return np.array(found)


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Symmetry group of an object about its centre.

    Attributes:
        turns: Discrete rotations (S, 3, 3) in object axes, the identity first; of a continuous group one
            representative per class.
        axes: Axes about which any angle changes nothing (A, 3), unit: none, one, or three (a sphere).
    """

    turns: Array
    axes: Array

    @property
    def spherical(self) -> bool:
        """Whether every rotation changes nothing."""
        return len(self.axes) > 1

    def nearest(self, rotation: Array, reference: Array) -> Array:
        """Return the rotation (3, 3) that looks like ``rotation`` and is nearest to ``reference``."""
        if self.spherical:
            return reference.copy()
        images = rotation @ self.turns
        if len(self.axes):
            images = np.stack([_twisted(image, self.axes[0], reference) for image in images])
        return np.asarray(images[np.argmax(np.einsum("nij,ij->n", images, reference))])

    def difference(self, rotation: Array, reference: Array) -> Array:
        """Return the smallest rotation vector (3,) [rad] that takes ``reference`` to an image of ``rotation``."""
        image = self.nearest(rotation, reference)
        return np.asarray(Rotation.from_matrix(image @ reference.T).as_rotvec())


NONE = Symmetry(np.eye(3)[None], np.zeros((0, 3)))
"""No symmetry."""


def _twisted(rotation: Array, axis: Array, reference: Array) -> Array:
    """Return ``rotation`` turned about its own ``axis`` to where it is nearest to ``reference``.

    The trace of ``reference^T rotation Exp(angle axis)`` is a cosine of the angle; its maximum is in closed form.
    """
    between = reference.T @ rotation
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    outer = np.outer(axis, axis)
    angle = np.arctan2(np.trace(between @ skew), np.trace(between @ (np.eye(3) - outer)))
    return np.asarray(rotation @ Rotation.from_rotvec(angle * axis).as_matrix())
