"""Invented outcomes for tests of statistics and reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vnb_benchmark.outcome import Outcome

_BASE = Outcome(
    case=0,
    method="vnb",
    beta=0.9,
    status="ok",
    error="",
    object_name="cube",
    regime="nominal",
    split="test",
    seed=0,
    friction_effective=0.5,
    sweep="",
    level=0.0,
    pregrasp=1,
    attempts=1,
    steps=4,
    stop_reason="quality",
    lifted=True,
    nominal=True,
    nominal_12=False,
    survived=21,
    tests=28,
    outcomes="1" * 21 + "0" * 7,
    lift_height=0.1,
    peak_force=5.0,
    force_cap=10.0,
    peak_slip=0.002,
    time_to_slip=math.nan,
    failure_mode="none",
    abstained=False,
    p_fail=0.25,
    epsilon_hat=0.05,
    epsilon_true=0.04,
    epsilon_series=(0.0, 0.0, 0.03, 0.05),
    p_fail_series=(0.9, 0.8, 0.4, 0.25),
    planning_series=(0.03, 0.05),
    wall_time=2.0,
    evidence=(),
    digest="d",
)


def make_outcome(success: bool = True, **values: Any) -> Outcome:
    """Return an outcome: a robust success, or an object that was lost in the lift; ``values`` replace fields.

    Cases have seeds of their own.
    """
    lost = {
        "lifted": False,
        "nominal": False,
        "survived": 0,
        "tests": 0,
        "outcomes": "",
        "lift_height": 0.0,
        "failure_mode": "lift",
        "p_fail": 0.75,
    }
    return replace(_BASE, **{"seed": values.get("case", 0), **({} if success else lost), **values})


def broken_outcome(status: str = "crashed", **values: Any) -> Outcome:
    """Return the outcome of an episode that ended without a verdict."""
    nothing = dict.fromkeys(("peak_force", "p_fail", "epsilon_hat", "epsilon_true"), math.nan)
    empty: dict[str, Any] = {"epsilon_series": (), "p_fail_series": (), "steps": 0, "stop_reason": "", "digest": ""}
    return make_outcome(False, **{"status": status, "error": "it broke", **nothing, **empty, **values})


def make_run(
    methods: Sequence[str] = ("vnb", "cem", "scripted"),
    regimes: Sequence[str] = ("nominal", "wide", "bimodal"),
    cases: int = 8,
    betas: Sequence[float] = (0.9,),
    seed: int = 0,
) -> list[Outcome]:
    """Return a run with random successes; ``scripted`` takes no beta and gives no probability.

    Args:
        methods: Names; the first one succeeds most often.
        regimes: Each with as many cases.
        cases: Per regime.
        betas: Of the methods that take one.
        seed: Of the successes.
    """
    rng = np.random.default_rng(seed)
    result = []
    for i in range(cases * len(regimes)):
        for k, method in enumerate(methods):
            plain = method == "scripted"
            for beta in (math.nan,) if plain else betas:
                success = bool(rng.random() < 0.8 - 0.2 * k)
                p = math.nan if plain else float(np.clip(0.3 + 0.4 * (not success) + 0.2 * rng.normal(), 0.0, 1.0))
                result.append(
                    make_outcome(
                        success,
                        case=i,
                        method=method,
                        beta=beta,
                        regime=regimes[i // cases],
                        object_name=("cube", "box")[i % 2],
                        seed=i,
                        p_fail=p,
                    )
                )
    return result
