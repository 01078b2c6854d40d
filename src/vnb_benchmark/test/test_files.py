"""Scenario files: what is written comes back to the bit, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnb_benchmark.scenarios.case import SPLITS, Case, CaseSet
from vnb_benchmark.scenarios.files import (
    cases_from_json,
    cases_to_json,
    load_case_set,
    parse_reference,
    save_case_set,
)
from vnb_benchmark.scenarios.presets import PRESETS
from vnb_grasp.description import known_hands, known_objects
from vnb_grasp.errors import ConfigError
from vnb_sim_bridge.scenario import REGIMES, Scenario
from vnb_sim_bridge.world.parameters import SOLVERS, WorldParameters

Document = dict[str, Any]

POSITIVE = st.floats(min_value=1e-300, allow_nan=False, allow_infinity=False)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SCENARIOS = st.builds(
    Scenario,
    object_name=st.sampled_from(known_objects()),
    hand=st.sampled_from(known_hands()),
    regime=st.sampled_from(REGIMES.names()),
    seed=st.one_of(st.integers(0, 99_999), st.integers(1_000_000, 2**63 - 1)),  # of no split
    friction_object=POSITIVE,
    friction_finger=POSITIVE,
    stiffness=POSITIVE,
    damping=POSITIVE,
    mass_scale=POSITIVE,
    object_x=NUMBER,
    object_y=NUMBER,
    object_yaw=NUMBER,
    pose_bias=st.tuples(*[NUMBER] * 6),
    pose_translation_std=POSITIVE,
    pose_rotation_std=POSITIVE,
    torque_scale=POSITIVE,
)
PARAMETERS = st.builds(
    WorldParameters,
    timestep=st.sampled_from([0.001, 0.002, 0.0025, 0.004]),
    noslip_iterations=st.integers(0, 50),
    impratio=POSITIVE,
    contact_impedance=st.floats(0.01, 0.99),
    torsional_ratio=POSITIVE,
    friction_table=POSITIVE,
    torque_scale=POSITIVE,
    solver=st.sampled_from(SOLVERS),
)
CASES = st.builds(
    Case,
    index=st.just(0),
    split=st.sampled_from(SPLITS),
    scenario=SCENARIOS,
    regime=st.text(max_size=8).filter(lambda text: text.isprintable()),
    parameters=PARAMETERS,
    latency=st.integers(0, 20),
    disturbance_scale=POSITIVE,
    sweep=st.sampled_from(["", "pose", 'größe\n"#']),
    level=NUMBER,
)
SETS = st.builds(
    lambda name, cases, betas, seed: CaseSet(
        name, tuple(replace(c, index=i) for i, c in enumerate(cases)), betas, seed
    ),
    name=st.sampled_from(["mine", 'Ω "quoted"', "a\\b"]),
    cases=st.lists(CASES, min_size=1, max_size=3),
    betas=st.lists(st.floats(0.0, 0.999), min_size=1, max_size=3, unique=True).map(tuple),
    seed=st.integers(0, 2**63),
)


@given(SETS)
@settings(max_examples=60, deadline=None)
def test_what_is_written_comes_back(cases: CaseSet) -> None:
    text = cases_to_json(cases)
    back = cases_from_json(text)
    assert back == cases
    assert repr(back) == repr(cases)  # -0.0 is not 0.0
    assert cases_to_json(back) == text


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "sets" / "quick.json"
    save_case_set(PRESETS["quick"](0), path)
    return path


def test_every_field_is_in_the_file_in_order_and_one_case_per_line(saved: Path) -> None:
    lines = saved.read_text().splitlines()
    document = json.loads(saved.read_text())
    assert (document["schema"], document["schema_version"]) == ("vnb/scenario-set", 2)
    assert list(document) == sorted(document)
    cases = [line for line in lines if '"index"' in line]
    assert len(cases) == 14
    for i, line in enumerate(cases):
        case = json.loads(line.rstrip(","))
        assert case["index"] == i
        assert list(case) == sorted(item.name for item in fields(Case))
        assert list(case["scenario"]) == sorted(item.name for item in fields(Scenario))
        assert list(case["parameters"]) == sorted(item.name for item in fields(WorldParameters))


def test_a_reference_names_a_case_of_a_file(saved: Path) -> None:
    assert parse_reference(f"{saved}#13") == PRESETS["quick"](0).cases[13]
    marked = saved.with_name("a#b.json")
    marked.write_bytes(saved.read_bytes())
    assert parse_reference(f"{marked}#2").index == 2


@pytest.mark.parametrize("ending", ["", "#", "#x", "#-1", "#1.0", "#²"])
def test_another_form_of_reference_is_refused(saved: Path, ending: str) -> None:
    with pytest.raises(ConfigError, match="expected FILE#INDEX"):
        parse_reference(f"{saved}{ending}")


def test_a_case_that_is_not_there_is_refused(saved: Path) -> None:
    with pytest.raises(ConfigError, match=r"quick\.json: got case 14, expected 0 to 13"):
        parse_reference(f"{saved}#14")


def edited(change: Callable[[Document], Any]) -> str:
    document: Document = json.loads(cases_to_json(PRESETS["quick"](0)))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="vnb/other"), "field schema: got 'vnb/other', expected 'vnb/scenario-set'"),
        (lambda d: d.pop("schema"), "field schema: got nothing"),
        (lambda d: d.update(schema_version=1), "field schema_version: got 1, expected 2"),
        (lambda d: d.update(schema_version=True), "field schema_version: got True"),
        (lambda d: d.update(schema_version=2.0), "field schema_version: got 2.0"),
        (lambda d: d.update(colour="red"), "field colour: got an unknown field"),
        (lambda d: d.pop("betas"), "field betas: got nothing"),
        (lambda d: d.update(betas=[0.9, "0.5"]), "field betas.1: got '0.5', expected: .*number"),
        (lambda d: d.update(betas=[1.5]), r"betas: got \(1.5,\), expected distinct ones"),
        (lambda d: d.update(cases=[]), "got no cases"),
        (lambda d: d.update(cases="all"), "field cases: got 'all'"),
        (lambda d: d.update(seed=0.5), "field seed: got 0.5, expected: .*integer"),
        (lambda d: d["cases"].append(3), "case 14, field .*: got 3"),
        (lambda d: d["cases"][3].update(index=1), "case 3, field index: got 1 again, expected 3"),
        (lambda d: d["cases"][3].update(index=7), "case 3, field index: got 7, expected 3"),
        (lambda d: d["cases"][2].update(speed=1), "case 2, field speed: got an unknown field"),
        (lambda d: d["cases"][2].pop("latency"), "case 2, field latency: got nothing"),
        (lambda d: d["cases"][2].update(latency=1.5), "case 2, field latency: got 1.5, expected: .*integer"),
        (
            lambda d: d["cases"][1].update(split="train"),
            "case 1: got seed 100000 in the split 'train'",
        ),
        (lambda d: d["cases"][1]["scenario"].update(seed=2**63), "case 1: got seed 9223372036854775808, expected at"),
        (lambda d: d["cases"][2].update(latency=-1), "case 2: case index and latency must be >= 0"),
        (lambda d: d["cases"][2].update(split="exam"), "case 2: .*split: got 'exam', expected one of train"),
        (lambda d: d["cases"][1]["scenario"].update(mu=1.0), "case 1, field scenario.mu: got an unknown field"),
        (lambda d: d["cases"][1]["scenario"].update(mass_scale="1"), "case 1, field scenario.mass_scale: got '1'"),
        (lambda d: d["cases"][1]["scenario"].update(mass_scale=True), "case 1, field scenario.mass_scale: got True"),
        (lambda d: d["cases"][1]["scenario"].update(object_x=float("nan")), "scenario.object_x: .* finite"),
        (lambda d: d["cases"][1]["scenario"].update(damping=0), "case 1, field scenario: scenario damping must"),
        (lambda d: d["cases"][1]["scenario"].update(object_name="teapot"), "case 1, field scenario: unknown object"),
        (lambda d: d["cases"][1]["scenario"]["pose_bias"].pop(), "case 1, field scenario.pose_bias.5: got nothing"),
        (lambda d: d["cases"][1]["parameters"].update(solver="magic"), "case 1, field parameters: solver: got 'magic'"),
        (lambda d: d["cases"][1]["parameters"].update(timestep=0.003), "case 1, field parameters: decision_period"),
        (lambda d: d.update(name="\ud800"), "name|JSON"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[Document], Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(edited(change))
    with pytest.raises(ConfigError, match=message) as caught:
        load_case_set(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_field_that_is_there_twice_is_refused() -> None:
    text = cases_to_json(PRESETS["quick"](0)).replace('"index": 4,', '"index": 4, "latency": 2,')
    with pytest.raises(ConfigError, match="case 4, field latency: got it twice"):
        cases_from_json(text)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"3"])
def test_what_is_no_set_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"mine\.json: (is not JSON|got a )"):
        load_case_set(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read"):
        load_case_set(tmp_path / "none.json")


def test_whole_numbers_are_numbers() -> None:
    text = edited(lambda d: d["cases"][0]["scenario"].update(mass_scale=1))
    scale = cases_from_json(text).cases[0].scenario.mass_scale
    assert (scale, type(scale)) == (1.0, float)


def test_a_number_that_is_not_finite_is_not_written() -> None:
    cases = PRESETS["quick"](0)
    first = replace(cases.cases[0], level=float("inf"))
    with pytest.raises(ConfigError, match="not finite"):
        cases_to_json(replace(cases, cases=(first, *cases.cases[1:])))
