"""Small records and a schema check for tests."""

from __future__ import annotations

import math
import re
from typing import Any

from vnb_belief.layout import LATENT_DIM
from vnb_bringup.report.record import StepRecord, TestRecord, TrialRecord, Verdict, floats, matrix
from vnb_sim_bridge.scenario import draw_scenario

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def make_step(step: int, components: int = 2) -> StepRecord:
    """Return a step whose figures follow from its number."""
    return StepRecord(
        step=step,
        time=0.04 * step,
        phase="closing",
        logits=floats([0.1 * k for k in range(components)]),
        means=matrix([[0.05 * (k + i) - 1.0 for i in range(LATENT_DIM)] for k in range(components)]),
        log_stds=matrix([[-1.0 - 0.01 * step] * LATENT_DIM] * components),
        entropy=-3.0 - 0.1 * step,
        cvar=1.0 / (step + 1),
        expected_cost=0.5 / (step + 1),
        p_fail=1.0 / (step + 1),
        objective=1.0 / (step + 1),
        epsilon_hat=0.01 * step,
        epsilon_true=0.012 * step,
        force_sensed=floats([0.1 * step] * 5),
        force_true=floats([0.11 * step] * 5),
        contact=(step > 1,) * 5,
        action=floats([0.5] * 6),
        component=0,
        object_position=(0.0, 0.9, 0.87),
        planning_time=0.03,
        deadline_met=True,
        object_quaternion=(1.0, 0.0, 0.0, 0.0),
        object_estimate=(0.1, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0),
        hand_joints=floats([0.1] * 11),
        arm_joints=floats([0.0] * 6),
        taxels=((step,) * 72,) * 5,
    )


def make_verdict(**changes: object) -> Verdict:
    """Return a good verdict with a small battery, fields replaced by ``changes``."""
    tests = tuple(
        TestRecord(name, survived, 0.001, 0.002, 0.01)
        for name, survived in (
            ("force 3 N +x", True),
            ("force 3 N -y", True),
            ("torque 0.3 N m z", False),
            ("friction 0.05", False),
        )
    )
    values: dict[str, object] = {
        "lifted": True,
        "lift_height": 0.0501,
        "nominal": True,
        "nominal_12": False,
        "survival": 0.5,
        "tests": tests,
        "peak_force": 9.5,
        "peak_slip": 0.004,
        "time_to_slip": math.nan,
        "failure_mode": "none",
    }
    return Verdict(**{**values, **changes})  # type: ignore[arg-type]


def make_record(**changes: object) -> TrialRecord:
    """Return a record of six steps, fields replaced by ``changes``."""
    values: dict[str, object] = {
        "scenario": draw_scenario("mustard_bottle", "bimodal", 3),
        "method": "vnb",
        "belief": "prior",
        "beta": 0.9,
        "hand": "l6_v31",
        "pregrasp": 0,
        "steps": tuple(make_step(n) for n in range(6)),
        "stop_reason": "quality",
        "verdict": make_verdict(),
        "versions": {"vnb": "0.1.0"},
        "durations": {"approach": 1.0},
    }
    return TrialRecord(**{**values, **changes})  # type: ignore[arg-type]


def _is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _JSON_TYPES[name])


def complaints(value: Any, rules: dict[str, Any], where: str = "$") -> list[str]:
    """Check the part of JSON Schema that the schema uses; an unknown rule is itself a complaint."""
    known = {"type", "required", "properties", "additionalProperties", "items", "minItems", "maxItems", "enum", "const"}
    known |= {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "pattern",
        "description",
        "title",
        "$schema",
    }
    found = [f"{where}: rule {name}" for name in set(rules) - known]
    types = rules.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is_type(value, name) for name in types):
        return [*found, f"{where}: {value!r} is no {types}"]
    if ("enum" in rules and value not in rules["enum"]) or ("const" in rules and value != rules["const"]):
        found.append(f"{where}: {value!r} not allowed")
    if isinstance(value, int | float) and not isinstance(value, bool):
        inside = rules.get("minimum", -math.inf) <= value <= rules.get("maximum", math.inf) and rules.get(
            "exclusiveMinimum", -math.inf
        ) < value < rules.get("exclusiveMaximum", math.inf)
        found += [] if inside else [f"{where}: {value} out of range"]
    if isinstance(value, str) and not re.search(rules.get("pattern", ""), value):
        found.append(f"{where}: {value!r} does not match")
    if isinstance(value, list):
        if not rules.get("minItems", 0) <= len(value) <= rules.get("maxItems", math.inf):
            found.append(f"{where}: {len(value)} items")
        for i, item in enumerate(value):
            found += complaints(item, rules.get("items", {}), f"{where}[{i}]")
    if isinstance(value, dict):
        found += [f"{where}: lacks {name}" for name in rules.get("required", []) if name not in value]
        for name, item in value.items():
            rest = rules.get("additionalProperties", {})
            own = rules.get("properties", {}).get(name, rest)
            found += [f"{where}: unknown {name}"] if own is False else complaints(item, own or {}, f"{where}.{name}")
    return found
