"""Evidence, promise and calibration of the failure probability."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vnb_belief.layout import LATENT_DIM, LOG_MU
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError, DescriptionError, NonFiniteError
from vnb_planner.failure import EVIDENCE, FailureCalibration, Promise, collect_evidence
from vnb_planner.failure.calibration import CALIBRATIONS_DIR, _calibration, load_calibration
from vnb_planner.failure.evidence import log_odds
from vnb_planner.testing import tiny_ball

SIZE = len(EVIDENCE)


def belief(log_mu: float, std: float = 0.1) -> Mixture:
    means = torch.zeros(1, LATENT_DIM, dtype=torch.float64)
    log_stds = torch.full((1, LATENT_DIM), math.log(std), dtype=torch.float64)
    means[:, LOG_MU] = log_mu
    return Mixture(torch.zeros(1, dtype=torch.float64), means, log_stds)


def evidence(**values: float) -> dict[str, float]:
    return {name: values.get(name, 0.0) for name in EVIDENCE}


def model(**values: float) -> FailureCalibration:
    return FailureCalibration(
        bias=0.5,
        weights=tuple(values.get(name, 0.0) for name in EVIDENCE),
        centres=(0.0,) * SIZE,
        objects={"cube": 1.0},
    )


# --- promise --------------------------------------------------------------------------------------------------------


def test_promise_is_interpolated_in_log_friction() -> None:
    promise = Promise((0.2, 0.4), (0.0, 1.0))
    middle = belief(math.log(math.sqrt(0.2 * 0.4)), 1e-6)
    assert promise.failure(middle) == pytest.approx(0.5, abs=1e-6)
    assert promise.failure(belief(math.log(0.05), 1e-6)) == pytest.approx(1.0)
    assert promise.failure(belief(math.log(2.0), 1e-6)) == pytest.approx(0.0)


def test_nothing_measured_is_no_promise() -> None:
    assert Promise.of([], []) is None


@pytest.mark.parametrize(
    ("friction", "success", "message"),
    [((0.4, 0.2), (0.1, 0.2), "rising"), ((0.2,), (0.1, 0.2), "as many"), ((0.2,), (1.2,), r"in \[0, 1\]")],
)
def test_impossible_promises_are_refused(friction: tuple[float, ...], success: tuple[float, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Promise.of(friction, success)


# --- evidence -------------------------------------------------------------------------------------------------------


def test_evidence_is_what_its_names_say() -> None:
    target = replace(tiny_ball(), mass=0.2)
    found = collect_evidence(
        target=target,
        belief=belief(math.log(0.4), 0.2),
        force=torch.tensor([4.0, 2.0, 0.0, 0.0, 0.0], dtype=torch.float64),
        contact=torch.tensor([True, True, False, False, False]),
        epsilon_hat=0.025,
        motion=torch.tensor([0.003, 0.004, 0.0, 0.0, 0.0, 0.2], dtype=torch.float64),
        p_fail=0.5,
        expected_cost=0.4,
        cvar=0.7,
        draws=256,
        promise=Promise((0.4,), (0.5,)),
        trace=4e-3,
    )
    expected = {
        "risk": 0.0,
        "expected_cost": 0.4,
        "tail_cost": 0.3,
        "friction": math.log(0.4),
        "friction_spread": 0.2,
        "quality": 0.5,
        "grip": math.log(6.001 / (0.2 * 9.81)),
        "peak_force": 4.0 / target.force_cap,
        "contacts": 0.4,
        "thumb_share": 4.0 / 6.001,
        "moved": 0.5,
        "turned": 0.2,
        "promise": 0.0,
        "pose_spread": math.log(2.0),
    }
    assert tuple(found) == EVIDENCE
    assert found == pytest.approx(expected)


@given(share=st.floats(0.0, 1.0), draws=st.floats(1.0, 1e4))
def test_log_odds_are_finite_and_odd(share: float, draws: float) -> None:
    assert math.isfinite(log_odds(share, draws))
    assert log_odds(share, draws) == pytest.approx(-log_odds(1.0 - share, draws), abs=1e-6)


# --- calibration ----------------------------------------------------------------------------------------------------


def test_probability_is_the_logistic_function_of_the_score() -> None:
    calibrated = model(risk=2.0)
    assert calibrated.probability(evidence(risk=0.25), "cube") == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert calibrated.probability(evidence(risk=0.25), "never seen") == pytest.approx(1 / (1 + math.exp(-1.0)))


def test_an_objects_own_weights_come_to_the_shared_ones() -> None:
    own = tuple(-3.0 if name == "risk" else 0.0 for name in EVIDENCE)
    calibrated = replace(model(risk=2.0), object_weights={"cube": own})
    assert calibrated.probability(evidence(risk=1.0), "cube") == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert calibrated.probability(evidence(risk=1.0), "box") == pytest.approx(1 / (1 + math.exp(-2.5)))
    with pytest.raises(ConfigError, match="weights of cube"):
        replace(calibrated, object_weights={"cube": (0.0,)})


@given(a=st.floats(-800.0, 800.0), b=st.floats(-800.0, 800.0))
def test_more_risk_is_more_failure(a: float, b: float) -> None:
    low, high = (model(risk=1.0).probability(evidence(risk=x), "cube") for x in sorted((a, b)))
    assert 0.0 <= low <= high <= 1.0


def test_nan_evidence_is_refused() -> None:
    with pytest.raises(NonFiniteError, match="risk"):
        model(risk=1.0).probability(evidence(risk=math.nan), "cube")


def test_other_evidence_is_refused() -> None:
    with pytest.raises(ConfigError, match="risk"):
        model().probability({"else": 1.0}, "cube")


def test_a_method_without_a_calibration_has_none() -> None:
    assert load_calibration("l6_v31", "no such method") is None
    assert load_calibration("no such hand", "vnb") is None


@pytest.mark.parametrize("entry", [None, {}, {"bias": 0, "evidence": {}, "objects": {}}])
def test_an_entry_that_is_no_calibration_is_refused(entry: object) -> None:
    with pytest.raises(DescriptionError, match="somewhere"):
        _calibration(entry, "somewhere")


@pytest.mark.parametrize("path", sorted(CALIBRATIONS_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_calibrations_load(path: Path) -> None:
    for method in yaml.safe_load(path.read_text())["methods"]:
        calibration = load_calibration(path.stem, method)
        assert calibration is not None
        assert 0.0 < calibration.probability(dict(zip(EVIDENCE, calibration.centres, strict=True)), "cube") < 1.0
