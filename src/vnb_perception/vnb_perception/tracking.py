"""One camera's images, one after the other: whatever comes, an estimate or a status that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import CameraDescription
from vnb_grasp.errors import VnbError
from vnb_grasp.optics.pinhole import Intrinsics, intrinsics_of
from vnb_perception.estimate import PoseEstimate, Status, no_estimate
from vnb_perception.estimator import EstimatorConfig, PoseEstimator
from vnb_perception.images.depth import Depth, depth_in_metres
from vnb_perception.images.robot import RobotShape
from vnb_perception.objects.model import ObjectModel

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RawImage:
    """A depth image as it comes; see :func:`vnb_perception.images.depth.depth_in_metres`."""

    data: Any
    encoding: str
    height: int
    width: int
    step: int = 0
    big_endian: bool = False

    def metres(self, camera: str) -> Depth:
        """Return the image in metres; see :func:`vnb_perception.images.depth.depth_in_metres` for what is refused."""
        return depth_in_metres(
            self.data, self.encoding, self.height, self.width, self.step, big_endian=self.big_endian, camera=camera
        )


class CameraTracker:
    """Estimates the object's pose image by image, beginning each registration where the last one ended.

    Args:
        camera: Whose images come.
        model: Of the object.
        robot: To take out of the picture; None if it never is in it.
        config: Of the estimator.
        track_within: Age up to which the last estimate is where the next registration begins [s].
    """

    def __init__(
        self,
        camera: CameraDescription,
        model: ObjectModel,
        robot: RobotShape | None = None,
        config: EstimatorConfig | None = None,
        track_within: float = 0.5,
    ) -> None:
        self._camera, self._model, self._robot, self._config = camera, model, robot, config
        self._within = track_within
        self._estimator = PoseEstimator(camera, model, config)
        self._last: tuple[float, Array] | None = None

    def update(
        self,
        time: float,
        image: RawImage,
        joints: tuple[Array, Array] | None = None,
        intrinsics: Intrinsics | None = None,
    ) -> PoseEstimate:
        """Return the estimate of an image; what is wrong with it becomes the status ``BAD_INPUT``.

        Args:
            time: Of the image [s].
            image: Depth.
            joints: Arm (6,) and hand (11,) at that time [rad]; None takes no robot out.
            intrinsics: Of the image; those of the camera's description if None.
        """
        try:
            depth = image.metres(self._camera.name)
            self._fit(intrinsics or intrinsics_of(self._camera))
            placed = None if self._robot is None or joints is None else self._robot.place(*joints)
            estimate = self._estimator.estimate(depth, placed, self._start(time))
        except VnbError as error:
            return no_estimate(self._camera.name, Status.BAD_INPUT, str(error))
        if estimate.ok:
            self._last = time, estimate.T_world_object
        return estimate

    def _start(self, time: float) -> Array | None:
        if self._last is None or not 0.0 < time - self._last[0] <= self._within:
            return None
        return self._last[1]

    def _fit(self, intrinsics: Intrinsics) -> None:
        if intrinsics != self._estimator.intrinsics:
            self._estimator = PoseEstimator(self._camera, self._model, self._config, intrinsics)
