"""Write a store's outcomes for other programs: CSV, JSON, and Parquet where pyarrow is installed.

The format is described in ``docs/benchmark-schema.md`` and, for machines, in ``outcomes.schema.json`` beside this
module.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

from vnb_benchmark.outcome import Outcome
from vnb_grasp.errors import ConfigError

SCHEMA = "vnb/benchmark-outcomes"
SCHEMA_VERSION = 3

COLUMNS = tuple(field.name for field in fields(Outcome))
_TYPES = get_type_hints(Outcome)


def export(store_path: Path, out: Path, *, parquet: bool | None = None) -> list[Path]:
    """Write ``outcomes.csv``, ``outcomes.json`` and ``outcomes.parquet``; return the files written.

    Args:
        store_path: File or folder of the store.
        out: Folder.
        parquet: Write Parquet; None does so if pyarrow is installed, which is optional for its 170 MB.

    Raises:
        ConfigError: If there is no such store, the folder cannot be written to, or pyarrow is asked for and missing.
    """
    from vnb_benchmark.running.store import Store

    with Store.open(store_path) as store:
        rows, meta = store.outcomes(), store.meta
    return export_outcomes(rows, meta, out, parquet=parquet)


def export_outcomes(
    rows: Sequence[Outcome], meta: Mapping[str, str], out: Path, *, parquet: bool | None = None
) -> list[Path]:
    """Write the files of :func:`export` from outcomes."""
    installed = importlib.util.find_spec("pyarrow") is not None
    if parquet and not installed:
        raise ConfigError("Parquet needs pyarrow, which is not installed: pip install -r requirements/parquet.txt")
    contents = {"outcomes.csv": csv_text(rows).encode(), "outcomes.json": json_text(rows, meta).encode()}
    if installed and parquet is not False:
        contents["outcomes.parquet"] = parquet_bytes(rows, meta)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise ConfigError(f"export folder {out}: {error.strerror}; give another one with --out") from error
    return [out / name for name in contents]


def csv_text(rows: Sequence[Outcome]) -> str:
    """Return the outcomes as CSV: a header, empty cells for NaN, ``true`` and ``false``, series as JSON arrays."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
    return buffer.getvalue()


def read_csv(text: str) -> list[Outcome]:
    """Return the outcomes of :func:`csv_text`.

    Raises:
        ConfigError: If the columns are others.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ConfigError(f"outcomes.csv: got columns {reader.fieldnames}, expected {list(COLUMNS)}")
    return [Outcome(**{name: _of_cell(name, line[name]) for name in COLUMNS}) for line in reader]


def document(rows: Sequence[Outcome], meta: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of ``outcomes.json`` as JSON types; NaN is None."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "meta": {key: value for key, value in sorted(meta.items()) if key not in ("schema", "schema_version")},
        "outcomes": [{name: _plain(value) for name, value in asdict(row).items()} for row in rows],
    }


def json_text(rows: Sequence[Outcome], meta: Mapping[str, str]) -> str:
    """Return the text of ``outcomes.json``: one line per outcome."""
    content = document(rows, meta)
    lines = ",\n    ".join(json.dumps(item, allow_nan=False) for item in content.pop("outcomes"))
    head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in content.items())
    return "{\n" + head + '  "outcomes": [' + (f"\n    {lines}\n  " if lines else "") + "]\n}\n"


def read_json(text: str) -> list[Outcome]:
    """Return the outcomes of :func:`json_text`.

    Raises:
        ConfigError: If it is another format or version.
    """
    content = json.loads(text)
    got = (content.get("schema"), content.get("schema_version")) if isinstance(content, dict) else (None, None)
    if got != (SCHEMA, SCHEMA_VERSION):
        raise ConfigError(f"outcomes.json: got {got[0]} version {got[1]}, expected {SCHEMA} version {SCHEMA_VERSION}")
    return [Outcome(**{name: _of_plain(name, item[name]) for name in COLUMNS}) for item in content["outcomes"]]


def parquet_bytes(rows: Sequence[Outcome], meta: Mapping[str, str]) -> bytes:
    """Return the outcomes as a Parquet file; NaN stays NaN, series are lists, ``meta`` is the table's metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        int: pa.int64(),
        bool: pa.bool_(),
        float: pa.float64(),
        str: pa.string(),
        tuple[float, ...]: pa.list_(pa.float64()),
    }
    schema = pa.schema([pa.field(name, kinds[_TYPES[name]], nullable=False) for name in COLUMNS], metadata=dict(meta))
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def read_parquet(content: bytes) -> list[Outcome]:
    """Return the outcomes of :func:`parquet_bytes`."""
    from pyarrow import parquet

    lines = parquet.read_table(io.BytesIO(content)).to_pylist()
    return [Outcome(**{name: _of_plain(name, line[name]) for name in COLUMNS}) for line in lines]


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of ``outcomes.json``."""
    text = (resources.files("vnb_benchmark.report") / "outcomes.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _of_plain(name: str, value: Any) -> Any:
    kind = _TYPES[name]
    if kind is float:
        return math.nan if value is None else float(value)
    if kind in (int, bool, str):
        return value
    return tuple(math.nan if item is None else float(item) for item in value)


def _cell(value: Any) -> str:
    if isinstance(value, bool | tuple):
        return json.dumps(_plain(value))
    return "" if isinstance(value, float) and math.isnan(value) else str(value)


def _of_cell(name: str, text: str) -> Any:
    kind = _TYPES[name]
    if kind is str:
        return text
    if kind is float:
        return float(text) if text else math.nan
    return _of_plain(name, json.loads(text))
