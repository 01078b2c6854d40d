"""From the graph's messages to snapshots. Messages are read by their fields: those of a bag look like live ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_belief.layout import LATENT_DIM, LAYOUT_VERSION, LOG_MU, POSE
from vnb_bringup.view.clouds import CLOUD_TOPICS, IMAGE_TOPICS, Points, cloud_of_image, cloud_of_message
from vnb_bringup.view.snapshot import FINGERS, BeliefView, Snapshot, VerdictView
from vnb_grasp.errors import ConfigError, ShapeError
from vnb_grasp.frames.se3 import make_transform, quaternion_to_matrix
from vnb_grasp.optics.pinhole import Intrinsics

Array = NDArray[np.float64]

PHASES = ("idle", "closing", "done", "hold", "failed")
"""Names of the phases of vnb_msgs/PlannerStatus, by their numbers."""

_TONES = ("good", "fair", "bad")
"""Tones of a verdict by the level of its diagnostic_msgs/DiagnosticStatus."""

TOPICS = {
    "arm/joint_states": "sensor_msgs/msg/JointState",
    "hand/joint_states": "sensor_msgs/msg/JointState",
    "hand/tactile": "vnb_msgs/msg/TactileArray",
    "object_pose": "vnb_msgs/msg/ObjectPose",
    "grasp_quality": "vnb_msgs/msg/GraspQuality",
    "belief": "vnb_msgs/msg/Belief",
    "planner/status": "vnb_msgs/msg/PlannerStatus",
    "ground_truth": "vnb_msgs/msg/GroundTruth",
    "trial/verdict": "diagnostic_msgs/msg/DiagnosticStatus",
}
"""Topics that a snapshot is made of, without namespace, and their types."""

LATE = 0.5
"""By how much joints may be older than the latest of other topics [s]."""

_PROMPT = ("arm/joint_states", "hand/joint_states")


class Assembler:
    """Keeps the latest snapshot up to date, message by message.

    Args:
        arm_joints: Joint names of the arm, in the order of ``Snapshot.arm_q``.
        hand_joints: Joint names of the hand, in the order of ``Snapshot.hand_q``.

    Attributes:
        snapshot: The latest.
        restarts: How often time began again (a reset of the world).
    """

    def __init__(self, arm_joints: tuple[str, ...], hand_joints: tuple[str, ...]) -> None:
        self._joints = {"arm": arm_joints, "hand": hand_joints}
        self.snapshot = Snapshot()
        self.restarts = 0
        self._intrinsics: dict[str, Intrinsics] = {}
        self._times: dict[str, float] = {}
        self._status_step = 0

    def take(self, topic: str, message: Any) -> Snapshot:
        """Take one message and return the snapshot with it.

        Args:
            topic: One of :data:`TOPICS`, or of the cameras' in :mod:`vnb_bringup.view.clouds`.
            message: A message of its type, from whichever library.

        Raises:
            ConfigError: If a field is missing (a message of another version) or a name is not known.
            ShapeError: If an array has another length than it should.
        """
        try:
            if topic == "trial/verdict":
                self.snapshot = replace(self.snapshot, verdict=_verdict(message))
                return self.snapshot
            if topic in CLOUD_TOPICS or topic in IMAGE_TOPICS:  # of an earlier time than the joints, without a restart
                self._see(topic, message)
                return self.snapshot
            self._advance(topic, _seconds(message.header.stamp))
            self.snapshot = _HANDLERS[topic](self, self.snapshot, message)
        except AttributeError as error:
            raise ConfigError(
                f"message on {topic}: {error}; it is of another version than this code, view it with the version that "
                "made it"
            ) from error
        return self.snapshot

    def _advance(self, topic: str, time: float) -> None:
        """Move the time on; where it begins again, what was seen before is no longer true.

        Topics overtake one another on their way by a few steps, so that a time before the latest is no new beginning
        unless it is one of its own topic, whose messages stay in order, or far back. A pose that is computed from an
        image can itself be far back; joints are always of the present.
        """
        far_back = topic in _PROMPT and time < self.snapshot.time - LATE
        if far_back or time < self._times.get(topic, time) - 1e-6:
            self.restarts += 1
            self.snapshot = Snapshot(object_name=self.snapshot.object_name)
            self._times.clear()
        self._times[topic] = time
        self.snapshot = replace(self.snapshot, time=max(time, self.snapshot.time))

    def _see(self, topic: str, message: Any) -> None:
        camera, _, name = topic.partition("/depth/")
        if name == "camera_info":
            k = message.k
            self._intrinsics[camera] = Intrinsics(message.width, message.height, k[0], k[4], k[2], k[5])
            return
        if name == "points":
            points = cloud_of_message(message, camera)
        elif camera in self._intrinsics:
            points = _image_points(message, self._intrinsics[camera], camera)
        else:
            return  # the next image comes with its intrinsics
        self.snapshot = replace(self.snapshot, clouds={**self.snapshot.clouds, camera: points})

    def _joint_values(self, part: str, message: Any) -> Array:
        names = self._joints[part]
        table = dict(zip(message.name, message.position, strict=False))
        missing = [name for name in names if name not in table]
        if missing:
            raise ConfigError(
                f"{part} joints: got {', '.join(message.name)}; {', '.join(missing)} missing; another hand?"
            )
        return np.array([table[name] for name in names])


def _image_points(image: Any, intrinsics: Intrinsics, camera: str) -> Points:
    """Return the cloud of an image; none where nothing was measured, of which the camera's own pose estimate tells."""
    if not any(image.data):
        return np.zeros((0, 3), dtype=np.float32)
    return cloud_of_image(image, intrinsics, camera)


def _arm(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    return replace(snapshot, arm_q=me._joint_values("arm", message))


def _hand(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    return replace(snapshot, hand_q=me._joint_values("hand", message))


def _tactile(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    pads = {pad.finger: pad for pad in message.pads}
    return replace(snapshot, taxels=tuple(_pad(pads.get(finger)) for finger in FINGERS))


def _pad(pad: Any) -> NDArray[np.uint8]:
    """Return the bytes (rows, columns) of a pad; none of a pad that did not answer."""
    if pad is None:
        return np.zeros((0, 0), dtype=np.uint8)
    values = np.frombuffer(bytes(pad.taxels), dtype=np.uint8)
    if values.size != pad.rows * pad.columns:
        raise ShapeError(f"pad of {pad.finger}: got {values.size} values, expected {pad.rows} x {pad.columns}")
    return values.reshape(pad.rows, pad.columns)


def _object_pose(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    if message.header.frame_id not in ("", "world"):
        raise ConfigError(f"object_pose: got frame {message.header.frame_id!r}, expected world")
    covariance = np.array(message.pose.covariance, dtype=np.float64).reshape(6, 6)
    name = message.object_name or snapshot.object_name
    return replace(snapshot, estimate=_pose(message.pose.pose), covariance=covariance, object_name=name)


def _quality(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    return replace(  # its step is 0 where no decision waits for it, as during the lift
        snapshot,
        force=_numbers(message.force, "grasp_quality, force"),
        contact=np.array(message.contact, dtype=bool),
        points=np.array([[p.x, p.y, p.z] for p in message.contact_points]),
        normals=np.array([[n.x, n.y, n.z] for n in message.contact_normals]),
        epsilon_hat=float(message.epsilon_hat),
    )


def _belief(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    if message.error_code:
        return replace(snapshot, belief=None, entropy=float("nan"))
    if message.layout_version != LAYOUT_VERSION or message.dimension != LATENT_DIM:
        raise ConfigError(
            f"belief: got latent layout {message.layout_version} with {message.dimension} coordinates, expected "
            f"{LAYOUT_VERSION} with {LATENT_DIM}; view it with the version that made it"
        )
    view = belief_view(message.logits, message.means, message.log_stds, _pose(message.reference_pose_hand))
    return replace(snapshot, belief=view, entropy=float(message.entropy))


def _status(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    again, me._status_step = int(message.step) < me._status_step, int(message.step)  # a late one takes no verdict away
    return replace(
        snapshot,
        step=int(message.step),
        method=message.method,
        phase=PHASES[message.phase],
        action=np.array(message.action, dtype=np.float64),
        cvar=float(message.cvar),
        p_fail=float(message.p_fail),
        verdict=None if again else snapshot.verdict,
    )


def _truth(me: Assembler, snapshot: Snapshot, message: Any) -> Snapshot:
    return replace(snapshot, truth=_pose(message.object_pose), epsilon_true=float(message.epsilon))


_HANDLERS: dict[str, Callable[[Assembler, Snapshot, Any], Snapshot]] = {
    "arm/joint_states": _arm,
    "hand/joint_states": _hand,
    "hand/tactile": _tactile,
    "object_pose": _object_pose,
    "grasp_quality": _quality,
    "belief": _belief,
    "planner/status": _status,
    "ground_truth": _truth,
}


def _verdict(message: Any) -> VerdictView:
    level = message.level[0] if isinstance(message.level, bytes) else int(message.level)
    headline, _, sentence = message.message.partition(". ")
    figures = tuple((item.key, item.value) for item in message.values)
    return VerdictView(_TONES[min(level, len(_TONES) - 1)], headline, sentence, figures)


def belief_view(logits: Any, means: Any, log_stds: Any, reference: Array | None) -> BeliefView:
    """Return what can be drawn of a mixture.

    Args:
        logits: K mixture logits.
        means: K x 26 means, flat or as rows.
        log_stds: K x 26 logarithms of standard deviations, flat or as rows.
        reference: ``T_hand_object`` (4, 4) that the pose coordinates perturb.

    Raises:
        ShapeError: If the lengths disagree.
    """
    logit = np.array(logits, dtype=np.float64)
    count = logit.size
    mean, log_std = (np.array(part, dtype=np.float64) for part in (means, log_stds))
    if count == 0 or mean.size != count * LATENT_DIM or log_std.size != mean.size:
        raise ShapeError(f"belief: got {count} logits, {mean.size} means and {log_std.size} log_stds")
    mean, std = mean.reshape(count, LATENT_DIM), np.exp(log_std.reshape(count, LATENT_DIM))
    weights = np.exp(logit - logit.max())
    weights /= weights.sum()
    friction = weights @ np.exp(mean[:, LOG_MU] + 0.5 * std[:, LOG_MU] ** 2)
    return BeliefView(weights, mean[:, POSE], std[:, POSE], friction, reference)


def _numbers(values: Any, what: str) -> Array:
    numbers = np.array(values, dtype=np.float64)
    if numbers.shape != (len(FINGERS),):
        raise ShapeError(f"{what}: got {numbers.size} values, expected {len(FINGERS)}")
    return numbers


def _seconds(stamp: Any) -> float:
    return int(stamp.sec) + 1e-9 * int(stamp.nanosec)


def _pose(message: Any) -> Array | None:
    """Return a pose message as a matrix (4, 4); None if a number in it is not finite."""
    p, q = message.position, message.orientation
    return pose_matrix((p.x, p.y, p.z), (q.w, q.x, q.y, q.z))


def pose_matrix(position: Any, quaternion: Any) -> Array | None:
    """Return ``T_target_source`` (4, 4) of a position [m] and a quaternion (w, x, y, z); None if not finite."""
    numbers = torch.tensor([*position, *quaternion], dtype=torch.float64)
    if not torch.isfinite(numbers).all() or not float(numbers[3:].norm()) > 0.0:
        return None
    return make_transform(quaternion_to_matrix(numbers[3:]), numbers[:3]).numpy()
