from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vnb_bringup.report.json_report import result_document, result_json, schema, timings_json
from vnb_bringup.report.record import VERSION, TrialRecord
from vnb_bringup.report.testing import complaints, make_record

ROOT = Path(__file__).resolve().parents[3]


def test_result_follows_the_schema(record: TrialRecord) -> None:
    assert complaints(json.loads(result_json(record)), schema()) == []


def test_a_trial_ended_by_an_error_follows_the_schema() -> None:
    broken = make_record(
        steps=(), verdict=None, stop_reason="", error_code=50, error_message="unreachable", pregrasp=-1
    )
    document = json.loads(result_json(broken))
    assert complaints(document, schema()) == []
    assert document["verdict"] is None
    assert document["error"] == {"code": 50, "message": "unreachable"}


def test_the_schema_sees_what_is_wrong(record: TrialRecord) -> None:
    document = result_document(record)
    document["steps"][0]["contact"] = [True]
    document["steps"][1]["p_fail"] = 1.5
    document["summary"]["surprise"] = 1
    del document["method"]
    assert len(complaints(document, schema())) == 4


def test_schema_holds_under_a_full_validator(record: TrialRecord) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(result_document(record), schema())


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs" / "result-schema.md").read_text(encoding="utf-8")

    def keys(rules: dict[str, Any]) -> set[str]:
        inner = [*rules.get("properties", {}).values(), *([rules["items"]] if "items" in rules else [])]
        return set(rules.get("properties", {})).union(*(keys(rule) for rule in inner))

    assert {key for key in keys(schema()) if f"| `{key}` |" not in text} == set()


def test_figures_that_were_not_computed_are_null(record: TrialRecord) -> None:
    step = replace(record.steps[0], cvar=math.nan, p_fail=math.nan)
    document = json.loads(result_json(replace(record, steps=(step,))))
    assert document["steps"][0]["cvar"] is None
    assert document["summary"]["p_fail"] is None
    assert document["verdict"]["time_to_slip"] is None


def test_numbers_read_back_exactly(record: TrialRecord) -> None:
    step = replace(record.steps[0], action=(0.1 + 0.2, 1 / 3, 1e-17, 5e-324, -0.7, 2.0**60))
    document = json.loads(result_json(replace(record, steps=(step,))))
    assert document["steps"][0]["action"] == list(step.action)


def test_wall_clock_times_are_apart(record: TrialRecord) -> None:
    slower = replace(
        record,
        durations={"approach": 9.0},
        steps=tuple(replace(step, planning_time=1.0, deadline_met=False) for step in record.steps),
    )
    assert result_json(slower) == result_json(record)
    assert timings_json(slower) != timings_json(record)
    timings = json.loads(timings_json(record))
    assert timings["durations"] == {"approach": 1.0}
    assert timings["planning_time"] == [0.03] * 6


def test_one_line_per_step(record: TrialRecord) -> None:
    lines = result_json(record).splitlines()
    assert sum('"epsilon_hat"' in line and '"force_true"' in line for line in lines) == len(record.steps)


def test_version_is_that_of_the_package() -> None:
    manifest = (ROOT / "src" / "vnb_bringup" / "package.xml").read_text(encoding="utf-8")
    assert f"<version>{VERSION}</version>" in manifest
