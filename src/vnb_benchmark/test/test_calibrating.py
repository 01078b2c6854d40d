"""Fitting failure calibrations: finds what made the data, refuses the test split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from vnb_benchmark.calibrating import fit_calibration, write_calibration
from vnb_benchmark.outcome import Outcome
from vnb_benchmark.statistics.testing import make_outcome
from vnb_grasp.errors import ConfigError
from vnb_planner.failure import EVIDENCE
from vnb_planner.failure.calibration import _calibration

OBJECTS = {"cube": 1.0, "cylinder": -1.5}
WEIGHTS = {"risk": 1.0, "peak_force": 2.0}


def make_rows(count: int = 800, own: dict[str, float] | None = None) -> list[Outcome]:
    """Return outcomes whose failures follow a known logistic model; ``own`` is what objects' weights of grip are."""
    own = own or {}
    rng = np.random.default_rng(3)
    rows = []
    for i in range(count):
        name = list(OBJECTS)[i % 2]
        evidence = rng.normal(size=len(EVIDENCE))
        score = OBJECTS[name] + sum(w * evidence[EVIDENCE.index(key)] for key, w in WEIGHTS.items())
        score += own.get(name, 0.0) * evidence[EVIDENCE.index("grip")]
        failed = rng.random() < 1 / (1 + np.exp(-score))
        row = make_outcome(not failed, object_name=name, split="calibration", seed=i // 2, case=i)
        rows.append(replace(row, evidence=tuple(float(x) for x in evidence)))
    return rows


@pytest.fixture(scope="module")
def rows() -> list[Outcome]:
    return make_rows()


def test_the_model_behind_the_data_is_found(rows: list[Outcome]) -> None:
    fit = fit_calibration(rows, "vnb")
    expected = [WEIGHTS.get(name, 0.0) for name in EVIDENCE]
    np.testing.assert_allclose(fit.calibration.weights, expected, atol=0.35)
    objects = fit.calibration.objects
    assert objects["cube"] - objects["cylinder"] == pytest.approx(2.5, abs=0.5)
    assert fit.left_out.auroc > 0.85
    assert fit.left_out.ece < 0.05
    assert fit.left_out.n == len(rows)


def test_evidence_that_says_the_opposite_on_another_object_is_heard() -> None:
    fit = fit_calibration(make_rows(own={"cube": 2.0, "cylinder": -2.0}), "vnb")
    grip = EVIDENCE.index("grip")
    found = {name: fit.calibration.weights[grip] + more[grip] for name, more in fit.calibration.object_weights.items()}
    assert found["cube"] > 1.0 and found["cylinder"] < -1.0


def test_episodes_from_named_pregrasps_count() -> None:
    rows = [replace(row, method=f"vnb@{i % 3}") for i, row in enumerate(make_rows(200))]
    assert fit_calibration(rows, "vnb").left_out.n == 200


def test_methods_are_fitted_together_where_several_are_named() -> None:
    rows = [replace(row, method=("vnb", "gauss", "cem")[i % 3]) for i, row in enumerate(make_rows(300))]
    assert fit_calibration(rows, "vnb", "gauss").left_out.n == 200


def test_a_fit_is_written_and_read_again(rows: list[Outcome], tmp_path: Path) -> None:
    fit = fit_calibration(rows, "vnb")
    path = tmp_path / "hand.yaml"
    path.write_text("methods: {other: {bias: 1}}\n")
    write_calibration(path, "vnb", fit, "a command", {"checkpoint": "abc"})
    entries = yaml.safe_load(path.read_text())["methods"]
    assert entries["other"] == {"bias": 1}
    assert entries["vnb"]["made"]["command"] == "a command"
    read = _calibration(entries["vnb"], "here")
    evidence = dict(zip(EVIDENCE, rows[0].evidence, strict=True))
    assert read.probability(evidence, "cube") == pytest.approx(fit.calibration.probability(evidence, "cube"), abs=1e-3)


def test_noise_gets_no_weight() -> None:
    rng = np.random.default_rng(0)
    noise = [replace(row, evidence=tuple(rng.normal(size=len(EVIDENCE)).tolist())) for row in make_rows(200)]
    fit = fit_calibration(noise, "vnb")
    assert fit.left_out.ece < 0.15
    assert max(map(abs, fit.calibration.weights)) < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "test"}, "expected calibration only"),
        ({"evidence": ()}, "0 outcomes with evidence"),
        ({"status": "failed"}, "0 outcomes with evidence"),
    ],
)
def test_what_cannot_be_fitted_is_refused(rows: list[Outcome], change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit_calibration([replace(row, **change) for row in rows], "vnb")  # type: ignore[arg-type]


def test_outcomes_that_all_ended_alike_are_refused(rows: list[Outcome]) -> None:
    ended = [row for row in rows if not row.robust]
    with pytest.raises(ConfigError, match="both failures and successes"):
        fit_calibration(ended, "vnb")


def test_a_run_that_is_given_twice_is_refused(rows: list[Outcome]) -> None:
    with pytest.raises(ConfigError, match="one of each"):
        fit_calibration([*rows, rows[5]], "vnb")
