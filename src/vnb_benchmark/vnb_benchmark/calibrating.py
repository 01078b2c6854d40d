"""Fit a method's failure calibration to a benchmark run on the calibration split.

A ridge-penalised logistic regression on the evidence, with an intercept and weights per object. The penalties are those
by which left-out cases are predicted best; folds keep all episodes of a seed together, so that none has seen the
friction or the pose error of another. The same left-out predictions give the figures that are reported: what the
calibration may be expected to do on objects that it knows, in scenarios that it does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from vnb_benchmark.methods.registry import AT
from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.running.tasks import beta_text
from vnb_benchmark.statistics.calibration import Calibration, calibrate
from vnb_benchmark.statistics.rows import robust
from vnb_grasp.errors import ConfigError
from vnb_planner.failure import EVIDENCE, FailureCalibration

Array = NDArray[np.float64]

PENALTIES = tuple((shared, own) for shared in (0.003, 0.01, 0.03, 0.1) for own in (0.01, 0.03, 0.1, 0.3, 10.0))
"""Of the shared weights, and of what an object's are more; the last of the latter leaves nothing of an object's own."""
FOLDS = 5
MIN_CASES = 20
_LEAST_SPREAD = 0.1
"""Least spread by which evidence is divided: what hardly varies in the run must not decide everything elsewhere."""


@dataclass(frozen=True)
class Fit:
    """A fitted calibration and what it does on left-out cases.

    Attributes:
        calibration: The model, fitted to all cases.
        penalty: Ridge penalties, of shared and of objects' own weights, that predicted left-out cases best.
        left_out: Figures of the left-out predictions.
        raw: Figures of the probabilities that the run itself gave.
        objects: Names of the objects.
    """

    calibration: FailureCalibration
    penalty: tuple[float, float]
    left_out: Calibration
    raw: Calibration | None
    objects: tuple[str, ...]


def fit_calibration(rows: Sequence[Outcome], *methods: str) -> Fit:
    """Return one calibration of ``methods`` from their outcomes, those from one pre-grasp (``METHOD@INDEX``) included.

    Raises:
        ConfigError: If an outcome is not of the calibration split, a case comes more than once, there are too few with
            evidence, or all ended alike.
    """
    method = ", ".join(methods)
    own = [row for row in rows if row.method.partition(AT)[0] in methods and row.status == OK]
    wrong = sorted({row.split for row in own} - {"calibration"})
    if wrong:
        raise ConfigError(
            f"calibration of {method}: got outcomes of the split {', '.join(wrong)}, expected calibration only; "
            "run ./vnb bench --preset calibration"
        )
    cases = {(row.method, row.object_name, row.regime, row.case, row.seed, beta_text(row.beta)) for row in own}
    if len(cases) < len(own):
        raise ConfigError(
            f"calibration of {method}: got {len(own)} outcomes of {len(cases)} cases, expected one of each; "
            "give every run once, and runs of different --seed"
        )
    own = [row for row in own if len(row.evidence) == len(EVIDENCE) and all(map(math.isfinite, row.evidence))]
    failed = np.array([not robust(row) for row in own], dtype=np.float64)
    if len(own) < MIN_CASES or not 0 < failed.sum() < len(own):
        raise ConfigError(
            f"calibration of {method}: got {len(own)} outcomes with evidence, {int(failed.sum())} of them failures; "
            f"expected at least {MIN_CASES}, with both failures and successes"
        )
    objects = tuple(sorted({row.object_name for row in own}))
    design = _Design.of(own, objects)
    seeds = np.array([row.seed for row in own])
    folds = np.searchsorted(np.unique(seeds), seeds) % FOLDS
    predicted = {penalty: _left_out(design, failed, folds, penalty) for penalty in PENALTIES}
    penalty = min(PENALTIES, key=lambda p: _log_loss(predicted[p], failed))
    p_emp = [row.p_emp for row in own]
    left_out = calibrate(predicted[penalty], failed, p_emp)
    if left_out is None:  # a probability for every case was just made
        raise ConfigError(f"calibration of {method}: no predictions")
    return Fit(
        design.calibration(_fit(design, design.matrix, failed, penalty)),
        penalty,
        left_out,
        calibrate([row.p_fail for row in own], failed, p_emp),
        objects,
    )


@dataclass(frozen=True)
class _Design:
    """Regressors: a constant, standardised evidence, one column per object, the evidence once more per object."""

    matrix: Array
    centre: Array
    scale: Array
    objects: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Outcome], objects: tuple[str, ...]) -> _Design:
        evidence = np.array([row.evidence for row in rows], dtype=np.float64)
        centre, scale = evidence.mean(0), np.maximum(evidence.std(0), _LEAST_SPREAD)
        member = np.array([[row.object_name == name for name in objects] for row in rows], dtype=np.float64)
        standard = (evidence - centre) / scale
        own = (member[:, :, None] * standard[:, None, :]).reshape(len(rows), -1)
        return cls(np.column_stack([np.ones(len(rows)), standard, member, own]), centre, scale, objects)

    def penalties(self, penalty: tuple[float, float]) -> Array:
        """Return the ridge penalty of every parameter."""
        shared, own = penalty
        size, count = len(EVIDENCE), len(self.objects)
        return np.concatenate([[0.0], np.full(size + count, shared), np.full(size * count, own)])

    def calibration(self, parameters: Array) -> FailureCalibration:
        size, count = len(EVIDENCE), len(self.objects)
        _, weights, objects, own = np.split(parameters, [1, 1 + size, 1 + size + count])
        return FailureCalibration(
            bias=float(parameters[0]),
            weights=tuple(float(x) for x in weights / self.scale),
            centres=tuple(float(x) for x in self.centre),
            objects={name: float(x) for name, x in zip(self.objects, objects, strict=True)},
            object_weights={
                name: tuple(float(x) for x in row / self.scale)
                for name, row in zip(self.objects, own.reshape(count, size), strict=True)
            },
        )


def _fit(design: _Design, matrix: Array, failed: Array, penalty: tuple[float, float]) -> Array:
    """Return the parameters of least mean log loss plus half of the penalised squares."""
    penalties, sign = design.penalties(penalty), 1.0 - 2.0 * failed

    def loss(parameters: Array) -> tuple[float, Array]:
        score = matrix @ parameters
        gradient = matrix.T @ (expit(score) - failed) / len(failed) + penalties * parameters
        return float(np.logaddexp(0.0, sign * score).mean() + 0.5 * penalties @ parameters**2), gradient

    return np.asarray(minimize(loss, np.zeros(matrix.shape[1]), jac=True, method="L-BFGS-B").x)


def _left_out(design: _Design, failed: Array, folds: NDArray[np.int64], penalty: tuple[float, float]) -> Array:
    predicted = np.empty(len(failed))
    for fold in np.unique(folds):
        out = folds == fold
        matrix = design.matrix
        predicted[out] = expit(matrix[out] @ _fit(design, matrix[~out], failed[~out], penalty))
    return predicted


def _log_loss(p: Array, failed: Array) -> float:
    p = np.clip(p, 1e-6, 1.0 - 1e-6)
    return float(-np.mean(failed * np.log(p) + (1.0 - failed) * np.log1p(-p)))


def write_calibration(path: Path, method: str, fit: Fit, command: str, store: Mapping[str, str]) -> None:
    """Write (or extend) a calibration file: the method's entry is replaced, the others stay.

    Args:
        path: YAML file, one per hand variant.
        method: Name of the method.
        fit: What was found.
        command: Command line that made it.
        store: What is worth knowing of the run that it comes from.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    methods = dict((entries or {}).get("methods", {}))
    model, found = fit.calibration, fit.left_out
    methods[method] = {
        "bias": round(model.bias, 5),
        "evidence": {
            name: {"weight": round(weight, 5), "centre": round(centre, 5)}
            for name, weight, centre in zip(EVIDENCE, model.weights, model.centres, strict=True)
        },
        "objects": {name: round(value, 5) for name, value in model.objects.items()},
        "object_weights": {
            name: {piece: round(more, 5) for piece, more in zip(EVIDENCE, row, strict=True)}
            for name, row in model.object_weights.items()
        },
        "made": {
            "command": command,
            "penalty": list(fit.penalty),
            "cases": found.n,
            "left_out": {name: round(getattr(found, name), 4) for name in ("auroc", "brier", "ece")},
            **store,
        },
    }
    text = yaml.safe_dump({"methods": methods}, default_flow_style=None, sort_keys=True, width=120)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"# Failure calibrations by method; made by ./vnb calibrate, do not edit.\n{text}", encoding="utf-8"
    )


def figures(calibration: Calibration | None) -> dict[str, Any]:
    """Return what is worth printing of a set of probabilities."""
    if calibration is None:
        return {"auroc": math.nan, "brier": math.nan, "ece": math.nan}
    return {"auroc": calibration.auroc, "brier": calibration.brier, "ece": calibration.ece}
