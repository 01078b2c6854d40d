"""``result.json``: everything that a trial decided and found, in the same bytes for the same seed.

Wall-clock times go to ``timings.json`` instead. Numbers that were not computed are ``null``, as JSON has no NaN.
The format is described in ``docs/result-schema.md`` and, for machines, in ``result.schema.json`` beside this module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from importlib import resources
from typing import Any

from vnb_bringup.report.record import StepRecord, TrialRecord, Verdict, succeeded
from vnb_grasp.description import load_object

SCHEMA = "vnb/trial-result"
SCHEMA_VERSION = 2


def result_document(record: TrialRecord) -> dict[str, Any]:
    """Return the content of ``result.json`` as JSON types."""
    return _plain(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "scenario": {**asdict(record.scenario), "friction_effective": record.scenario.friction_effective},
            "conditions": asdict(record.conditions),
            "method": record.method,
            "belief": record.belief,
            "beta": record.beta,
            "rule": asdict(record.rule),
            "hand": record.hand,
            "pregrasp": record.pregrasp,
            "attempts": record.attempts,
            "abstained": record.abstained,
            "stop_reason": record.stop_reason,
            "error": {"code": record.error_code, "message": record.error_message},
            "checkpoint": record.checkpoint,
            "versions": dict(record.versions),
            "summary": _summary(record),
            "verdict": None if record.verdict is None else _verdict(record.verdict),
            "steps": [_step(step) for step in record.steps],
        }
    )


def _summary(record: TrialRecord) -> dict[str, Any]:
    last = record.steps[-1] if record.steps else None
    return {
        "success": succeeded(record.verdict),
        "steps": len(record.steps),
        "force_cap": load_object(record.scenario.object_name).force_cap,
        "contacts": sum(last.contact) if last else 0,
        "epsilon_hat": last.epsilon_hat if last else None,
        "epsilon_true": last.epsilon_true if last else None,
        "cvar": last.cvar if last else None,
        "p_fail": last.p_fail if last else None,
        "entropy": last.entropy if last else None,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return asdict(verdict)


def _step(step: StepRecord) -> dict[str, Any]:
    values = asdict(step)
    for wall_clock in ("planning_time", "deadline_met"):
        del values[wall_clock]
    values["belief"] = {name: values.pop(name) for name in ("logits", "means", "log_stds")}
    return values


def _plain(value: Any) -> Any:
    """Return tuples as lists and numbers that are not finite as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def result_json(record: TrialRecord) -> str:
    """Return the text of ``result.json``: sorted keys, one line per step, shortest exact numbers."""
    document = result_document(record)
    lines = []
    for key in sorted(document):
        value = document[key]
        if key == "steps":
            text = _lines(value)
        else:
            text = json.dumps(value, sort_keys=True, indent=2, allow_nan=False).replace("\n", "\n  ")
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(items: Iterable[Any]) -> str:
    texts = [json.dumps(item, sort_keys=True, allow_nan=False) for item in items]
    return "[\n    " + ",\n    ".join(texts) + "\n  ]" if texts else "[]"


def timings_json(record: TrialRecord) -> str:
    """Return the text of ``timings.json``: wall-clock seconds, which differ from run to run."""
    document = {
        "durations": {name: round(value, 4) for name, value in record.durations.items()},
        "planning_time": [round(step.planning_time, 6) for step in record.steps],
        "deadline_met": [step.deadline_met for step in record.steps],
    }
    return json.dumps(_plain(document), sort_keys=True, indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of ``result.json``."""
    text = (resources.files("vnb_bringup.report") / "result.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
