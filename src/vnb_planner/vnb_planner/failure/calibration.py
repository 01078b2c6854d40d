"""A logistic model from evidence to failure probability, fitted on the calibration split by ``./vnb calibrate``.

It is Platt scaling [Platt1999] with more than one input, and with an intercept and weights per object that are
partially pooled: an object with few calibration cases stays near the mean of all, one that was never seen gets that
mean. What a piece of evidence says depends on the object: on a box, pressure at the fingertips is grip, on a can it may
be a jam.

References:
    [Platt1999] J. Platt, Probabilistic outputs for support vector machines, Advances in Large Margin Classifiers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vnb_grasp.errors import ConfigError, DescriptionError, NonFiniteError
from vnb_planner.failure.evidence import EVIDENCE

CALIBRATIONS_DIR = Path(__file__).resolve().parent / "calibrations"
"""One file per hand variant; each states the command and the runs that made it."""


@dataclass(frozen=True)
class FailureCalibration:
    """``P(failure) = sigmoid(bias + object + sum_i (weight_i + object weight_i) (evidence_i - centre_i))``.

    Attributes:
        bias: Log odds of an object that was never seen, at the centre.
        weights: Of each piece of evidence, in the order of :data:`EVIDENCE`.
        centres: Mean of each piece in the calibration split.
        objects: Log odds by object, added to the bias.
        object_weights: What the weights of an object are more than ``weights``; an object without has none.
    """

    bias: float
    weights: tuple[float, ...]
    centres: tuple[float, ...]
    objects: Mapping[str, float] = field(default_factory=dict)
    object_weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = {"weights": self.weights, "centres": self.centres}
        rows.update({f"weights of {name}": more for name, more in self.object_weights.items()})
        for name, row in rows.items():
            if len(row) != len(EVIDENCE):
                raise ConfigError(
                    f"failure calibration: got {len(row)} {name}, expected {len(EVIDENCE)}, one for each of "
                    f"{', '.join(EVIDENCE)}; ./vnb calibrate makes them"
                )
        numbers = (self.bias, *self.objects.values(), *(x for row in rows.values() for x in row))
        if not all(map(math.isfinite, numbers)):
            raise NonFiniteError("failure calibration holds NaN or infinity; run ./vnb calibrate again")

    def probability(self, evidence: Mapping[str, float], object_name: str) -> float:
        """Return the failure probability for the evidence of a grasp of an object.

        Raises:
            ConfigError: If the evidence has other names.
            NonFiniteError: If a piece of it is NaN or infinite.
        """
        if tuple(evidence) != EVIDENCE:
            raise ConfigError(f"evidence: got {', '.join(evidence) or 'none'}, expected {', '.join(EVIDENCE)}")
        more = self.object_weights.get(object_name, (0.0,) * len(EVIDENCE))
        terms = zip(self.weights, more, evidence.values(), self.centres, strict=True)
        score = self.bias + self.objects.get(object_name, 0.0) + sum((w + m) * (x - c) for w, m, x, c in terms)
        if not math.isfinite(score):
            raise NonFiniteError(f"evidence: got {dict(evidence)}, expected finite numbers")
        return 1.0 / (1.0 + math.exp(-score)) if score >= 0.0 else math.exp(score) / (1.0 + math.exp(score))


@cache
def load_calibration(hand: str, method: str) -> FailureCalibration | None:
    """Return the calibration of a method for a hand variant; None if there is none, so that its figures stay raw.

    Raises:
        DescriptionError: If the file has an entry that is no calibration.
    """
    path = CALIBRATIONS_DIR / f"{hand}.yaml"
    if not path.exists():
        return None
    entry = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("methods", {}).get(method)
    return None if entry is None else _calibration(entry, f"{path.name}, method {method}")


def _calibration(entry: Any, where: str) -> FailureCalibration:
    try:
        if set(entry["evidence"]) != set(EVIDENCE):
            raise ConfigError(f"got evidence {sorted(entry['evidence'])}, expected {sorted(EVIDENCE)}")
        pieces = [entry["evidence"][name] for name in EVIDENCE]
        return FailureCalibration(
            bias=float(entry["bias"]),
            weights=tuple(float(piece["weight"]) for piece in pieces),
            centres=tuple(float(piece["centre"]) for piece in pieces),
            objects={str(name): float(value) for name, value in entry["objects"].items()},
            object_weights={
                str(name): tuple(float(more.get(piece, 0.0)) for piece in EVIDENCE)
                for name, more in entry.get("object_weights", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise DescriptionError(f"failure calibration {where}: {error}; ./vnb calibrate makes one") from error
