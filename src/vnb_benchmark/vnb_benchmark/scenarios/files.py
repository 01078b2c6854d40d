"""Scenario sets as JSON files: one case per line, exact numbers, checked to the last field when read.

Every field is written and every field is required, so that a file means the same whatever the defaults become.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from vnb_benchmark.scenarios.case import Case, CaseSet
from vnb_benchmark.scenarios.seeds import SPLIT_SEEDS
from vnb_grasp.errors import ConfigError, VnbError
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.parameters import WorldParameters

SCHEMA = "vnb/scenario-set"
SCHEMA_VERSION = 2
LARGEST_SEED = 2**63 - 1
"""A store keeps seeds as integers of 64 bits with a sign."""

_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

T = TypeVar("T")


def _model(kind: Any) -> type[BaseModel]:
    """Return the model of a dataclass: the same fields, all of them required."""
    hints = get_type_hints(kind)
    definitions: dict[str, Any] = {}
    for item in fields(kind):
        hint = hints[item.name]
        definitions[item.name] = (_model(hint) if is_dataclass(hint) else hint, ...)
    return create_model(kind.__name__, __config__=_CONFIG, **definitions)


_Case = _model(Case)
_Document = create_model(
    "ScenarioSet",
    __config__=_CONFIG,
    name=(str, ...),
    seed=(int, ...),
    betas=(tuple[float, ...], ...),
    cases=(tuple[_Case, ...], ...),  # type: ignore[valid-type]
)


# --- writing ----------------------------------------------------------------------------------------------------------


def cases_to_json(cases: CaseSet) -> str:
    """Return the text of a set's file: sorted keys, one case per line, shortest exact numbers.

    Raises:
        ConfigError: If a number is not finite.
    """
    head = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "name": cases.name,
        "seed": cases.seed,
        "betas": list(cases.betas),
    }
    try:
        lines = ",\n    ".join(json.dumps(asdict(case), sort_keys=True, allow_nan=False) for case in cases.cases)
        texts = {key: json.dumps(value, allow_nan=False) for key, value in head.items()}
    except ValueError as error:
        raise ConfigError(f"scenario set {cases.name!r}: a number is not finite ({error})") from error
    texts["cases"] = f"[\n    {lines}\n  ]"
    return "{\n" + ",\n".join(f'  "{key}": {texts[key]}' for key in sorted(texts)) + "\n}\n"


def save_case_set(cases: CaseSet, path: Path) -> None:
    """Write a set to a file, making its folder.

    Raises:
        ConfigError: If a number is not finite, or the file cannot be written.
    """
    text = cases_to_json(cases)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; give another file with --out") from error


# --- reading ----------------------------------------------------------------------------------------------------------


def load_case_set(path: Path) -> CaseSet:
    """Return the set of a file.

    Raises:
        ConfigError: If the file cannot be read or is not exactly a set of this version; names file, case and field,
            what was got and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; `./vnb scenarios` writes such a file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from error
    return cases_from_json(text, str(path))


def cases_from_json(text: str, where: str = "scenario set") -> CaseSet:
    """Return the set of a file's text; raises :class:`ConfigError` as :func:`load_case_set`, naming ``where``."""
    document = _parse(text, where)
    _check_version(where, document)
    try:
        _Document.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from error
    cases = tuple(_case(where, position, values) for position, values in enumerate(document["cases"]))
    betas = tuple(float(beta) for beta in document["betas"])
    return _made(where, lambda: CaseSet(document["name"], cases, betas, document["seed"]))


def parse_reference(reference: str) -> Case:
    """Return the case that ``FILE#INDEX`` refers to.

    Raises:
        ConfigError: If the reference has another form, the file is not valid or has no such case.
    """
    name, mark, number = reference.rpartition("#")
    if not (mark and name and number.isascii() and number.isdigit()):
        raise ConfigError(f"scenario reference: got {reference!r}, expected FILE#INDEX, for example paper.json#17")
    cases = load_case_set(Path(name)).cases
    if int(number) >= len(cases):
        raise ConfigError(f"{name}: got case {number}, expected 0 to {len(cases) - 1}")
    return cases[int(number)]


def _parse(text: str, where: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            index = f"case {found['index']}, " if isinstance(found.get("index"), int) else ""
            raise ConfigError(f"{where}: {index}field {twice}: got it twice, expected it once")
        return found

    try:
        document = json.loads(text, object_pairs_hook=unique)
    except ValueError as error:
        raise ConfigError(f"{where}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: got a {type(document).__name__}, expected an object with schema {SCHEMA}")
    return document


def _check_version(where: str, document: dict[str, Any]) -> None:
    """Check what the file claims to be, and take it out; before the fields, as those of another version are others."""
    for key, expected in (("schema", SCHEMA), ("schema_version", SCHEMA_VERSION)):
        shown = repr(document[key]) if key in document else "nothing"
        got = document.pop(key, None)
        if type(got) is not type(expected) or got != expected:
            raise ConfigError(f"{where}: field {key}: got {shown}, expected {expected!r}")


def _explain(error: ValidationError) -> str:
    """Return the first complaint as: where, what was got, what was expected."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    where = ""
    if place[:1] == ["cases"] and len(place) > 1:
        where, place = f"case {place[1]}, ", place[2:]
    field = ".".join(place) or "(all)"
    if first["type"] == "missing":
        return f"{where}field {field}: got nothing, expected a value"
    if first["type"] == "extra_forbidden":
        return f"{where}field {field}: got an unknown field, expected only known ones"
    return f"{where}field {field}: got {first['input']!r}, expected: {first['msg']}"


def _case(where: str, position: int, values: dict[str, Any]) -> Case:
    place = f"{where}: case {position}"
    if values["index"] != position:
        again = " again" if values["index"] < position else ""
        raise ConfigError(f"{place}, field index: got {values['index']}{again}, expected {position}")
    scenario = dict(values["scenario"], pose_bias=tuple(float(x) for x in values["scenario"]["pose_bias"]))
    parts = {
        "scenario": _made(f"{place}, field scenario", lambda: Scenario(**_numbers(Scenario, scenario))),
        "parameters": _made(
            f"{place}, field parameters", lambda: WorldParameters(**_numbers(WorldParameters, values["parameters"]))
        ),
    }
    case = _made(place, lambda: Case(**_numbers(Case, {**values, **parts})))
    _check_seed(place, case.split, case.scenario.seed)
    return case


def _check_seed(place: str, split: str, seed: int) -> None:
    """Refuse a seed of another split, which would pass off what was tuned on as new, and one that no store holds."""
    other = next((name for name, seeds in SPLIT_SEEDS.items() if seed in seeds and name != split), "")
    if other:
        raise ConfigError(f"{place}: got seed {seed} in the split {split!r}, expected {other!r}, whose seed it is")
    if seed > LARGEST_SEED:
        raise ConfigError(f"{place}: got seed {seed}, expected at most {LARGEST_SEED}")


def _numbers(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with whole numbers made floats where the field is one: JSON knows one kind of number."""
    hints = get_type_hints(kind)
    return {name: float(value) if hints[name] is float else value for name, value in values.items()}


def _made(where: str, make: Callable[[], T]) -> T:
    """Return what ``make`` makes; its complaints get the place in the file."""
    try:
        return make()
    except VnbError as error:
        raise ConfigError(f"{where}: {error}") from error
