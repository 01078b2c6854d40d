"""The snapshots of a trial's report folder: its decision steps, with the verdict at the end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vnb_bringup.report.json_report import SCHEMA, SCHEMA_VERSION
from vnb_bringup.view.assemble import belief_view, pose_matrix
from vnb_bringup.view.snapshot import BeliefView, Snapshot, VerdictView
from vnb_grasp.description import load_arm, load_hand
from vnb_grasp.errors import ConfigError
from vnb_grasp.kinematics import ArmKinematics
from vnb_perception.tactile_quality import TactileQuality

_PARTS = ("scenario", "hand", "method", "belief", "error", "summary", "verdict", "versions", "steps")
_NEEDED = ("arm_joints", "hand_joints", "object_estimate", "object_quaternion", "taxels")


def read_result(folder: Path) -> dict[str, Any]:
    """Return the content of the ``result.json`` of a trial's folder, or of the file itself.

    Raises:
        ConfigError: If there is none, it is no such file, or it is of another version.
    """
    path = folder / "result.json" if folder.is_dir() else folder
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the folder that ./vnb trial wrote") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON ({error}); give the folder that ./vnb trial wrote") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ConfigError(f"{path} is no result of ./vnb trial; give the folder that it wrote")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: got schema version {document.get('schema_version')}, expected {SCHEMA_VERSION}; "
            "read it with the version that wrote it, or run the trial again"
        )
    missing = [name for name in _PARTS if name not in document]
    if missing:
        raise ConfigError(f"{path}: incomplete, it lacks {', '.join(missing)}; run the trial again")
    return document


def require_recorded(document: dict[str, Any], where: Path) -> None:
    """Raise :class:`ConfigError` if the steps lack what a picture of them needs."""
    steps = document["steps"]
    if not steps:
        raise ConfigError(f"{where}: the trial ended before its first decision; there is nothing to see")
    missing = [name for name in _NEEDED if not steps[0].get(name)]
    if missing:
        raise ConfigError(
            f"{where}: its steps lack {', '.join(missing)}, which builds before this one did not record; "
            "run the trial again"
        )


def result_snapshots(folder: Path) -> list[Snapshot]:
    """Return one snapshot per decision step; the last one carries the verdict.

    Raises:
        ConfigError: As :func:`read_result`, or if the record holds too little.
    """
    document = read_result(folder)
    require_recorded(document, folder)
    try:
        return _snapshots(document)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{folder}: result.json is incomplete ({type(error).__name__}: {error}); run the trial again"
        ) from error


def _snapshots(document: dict[str, Any]) -> list[Snapshot]:
    hand, arm = load_hand(document["hand"]), ArmKinematics(load_arm("fr3"))
    quality = TactileQuality(hand)
    shape = hand.pads[0].rows, hand.pads[0].columns
    scenario = document["scenario"]
    stds = [scenario["pose_translation_std"]] * 3 + [scenario["pose_rotation_std"]] * 3
    covariance = np.diag(np.square(np.array(stds, dtype=np.float64)))
    snapshots = []
    for step in document["steps"]:
        arm_q, hand_q = (np.array(step[f"{part}_joints"], dtype=np.float64) for part in ("arm", "hand"))
        taxels = np.array(step["taxels"], dtype=np.uint8).reshape(5, *shape)
        felt = quality.estimate(torch.from_numpy(taxels), torch.from_numpy(hand_q))
        T_hand_object = _pose(step["object_estimate"])
        snapshots.append(
            Snapshot(
                time=float(step["time"]),
                step=int(step["step"]),
                object_name=scenario["object_name"],
                method=document["method"],
                phase=step["phase"],
                arm_q=arm_q,
                hand_q=hand_q,
                estimate=None if T_hand_object is None else _world(arm, arm_q, T_hand_object),
                covariance=covariance,
                truth=_pose([*step["object_position"], *step["object_quaternion"]]),
                belief=_belief(step["belief"], T_hand_object),
                contact=np.array(step["contact"], dtype=bool),
                points=felt.points.numpy(),
                normals=(felt.normals * felt.contact[:, None]).numpy(),
                force=np.array(step["force_sensed"], dtype=np.float64),
                taxels=tuple(taxels),
                action=np.array(step["action"], dtype=np.float64),
                epsilon_hat=_number(step["epsilon_hat"]),
                epsilon_true=_number(step["epsilon_true"]),
                cvar=_number(step["cvar"]),
                p_fail=_number(step["p_fail"]),
                entropy=_number(step["entropy"]),
            )
        )
    snapshots[-1] = replace(snapshots[-1], verdict=_verdict(document))
    return snapshots


def _pose(numbers: list[float | None] | None) -> np.ndarray | None:
    """Return a position and a quaternion (w, x, y, z) as a matrix (4, 4); None if a number was not finite."""
    if numbers is None or None in numbers:
        return None
    return pose_matrix(numbers[:3], numbers[3:])


def _belief(belief: dict[str, Any], reference: np.ndarray | None) -> BeliefView | None:
    if not belief["logits"]:
        return None
    return belief_view(belief["logits"], belief["means"], belief["log_stds"], reference)


def _world(arm: ArmKinematics, arm_q: np.ndarray, T_hand_object: np.ndarray) -> np.ndarray:
    return arm.world_hand(torch.from_numpy(arm_q)).numpy() @ T_hand_object


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _verdict(document: dict[str, Any]) -> VerdictView:
    """Return the verdict of a result in words."""
    error, verdict, summary = document["error"], document["verdict"], document["summary"]
    if error["code"]:
        return VerdictView("bad", "Ended by an error", f"Error {error['code']}: {error['message']}")
    if verdict is None:
        return VerdictView("bad", "Not tested", "The grasp was not tested.")
    survived = sum(test["survived"] for test in verdict["tests"])
    headline = {"grasp": "Not grasped", "lift": "Lost in the lift", "slip": "Slipped"}.get(
        verdict["failure_mode"], "Lifted"
    )
    figures = [("lift", f"{1e3 * verdict['lift_height']:.0f} mm"), ("peak force", f"{verdict['peak_force']:.1f} N")]
    if verdict["tests"]:
        figures.append(("disturbances", f"{survived} of {len(verdict['tests'])} survived"))
    good = bool(summary["success"])
    tone = "good" if good else "fair" if verdict["lifted"] else "bad"
    sentence = f"{summary['steps']} decisions, {summary['contacts']} of 5 fingers in contact."
    return VerdictView(tone, "Held" if good else headline, sentence, tuple(figures))
