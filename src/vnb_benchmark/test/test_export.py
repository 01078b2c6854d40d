"""Exported files read back to the same outcomes, and the schema is that of the dataclass."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.report import export as ex
from vnb_benchmark.statistics.testing import broken_outcome, make_outcome, make_run
from vnb_grasp.errors import ConfigError

META = {"command": "./vnb bench", "cases": "{}", "schema": "vnb-benchmark"}
ODD = [
    broken_outcome("failed", case=1, method="noop", beta=math.nan, error='a, "b"\n| ü'),
    make_outcome(case=2, epsilon_series=(0.1, math.nan), time_to_slip=1 / 3, peak_force=1e-17),
]
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("rows", [[], ODD, make_run(cases=1)], ids=["none", "odd", "run"])
def test_files_read_back_to_the_last_bit(rows: list[Outcome], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table, document, parquet = ex.export_outcomes(rows, META, tmp_path / "new")
    # repr, as NaN does not equal itself
    assert repr(ex.read_csv(table.read_bytes().decode())) == repr(rows)
    assert repr(ex.read_json(document.read_text(encoding="utf-8"))) == repr(rows)
    assert repr(ex.read_parquet(parquet.read_bytes())) == repr(rows)


def test_the_schema_is_that_of_the_dataclass() -> None:
    item = ex.schema()["$defs"]["outcome"]
    names = [field.name for field in fields(Outcome)]
    assert list(item["properties"]) == names
    assert item["required"] == names
    kinds = {int: "integer", bool: "boolean", float: ["number", "null"], str: "string", tuple[float, ...]: "array"}
    for name, kind in get_type_hints(Outcome).items():
        assert item["properties"][name]["type"] == kinds[kind], name
        assert item["properties"][name]["description"]


def test_the_document_fits_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(ex.json_text(ODD, META)), ex.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**ex.document(ODD, META), "schema": "other"}, ex.schema())


def test_the_schema_is_documented_field_by_field() -> None:
    text = (ROOT / "docs" / "benchmark-schema.md").read_text(encoding="utf-8")
    for name, item in ex.schema()["$defs"]["outcome"]["properties"].items():
        assert f"| `{name}` |" in text
        assert item["description"] in text


def test_other_formats_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected vnb/benchmark-outcomes"):
        ex.read_json('{"schema": "other"}')
    with pytest.raises(ConfigError, match="columns"):
        ex.read_csv("a,b\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out"):
        ex.export_outcomes([], {}, tmp_path / "file", parquet=False)


def test_without_pyarrow_parquet_is_left_out_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ex.importlib.util, "find_spec", lambda name: None)
    assert [path.name for path in ex.export_outcomes(ODD, META, tmp_path)] == ["outcomes.csv", "outcomes.json"]
    with pytest.raises(ConfigError, match="pip install"):
        ex.export_outcomes(ODD, META, tmp_path, parquet=True)
