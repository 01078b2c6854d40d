"""Ablations are methods of the same machinery, each with one thing changed."""

from __future__ import annotations

import pytest

from vnb_belief.beliefs import BELIEFS
from vnb_benchmark.methods.ablations import ABLATIONS
from vnb_benchmark.methods.registry import METHODS, make_method, method_names
from vnb_grasp.description import load_hand, load_object
from vnb_planner.planners import parameter_names
from vnb_planner.planners.factory import make_planner


@pytest.mark.parametrize("name", ABLATIONS.names())
def test_every_ablation_is_made_and_changes_something(name: str) -> None:
    method, full = ABLATIONS[name](), make_method("vnb")
    assert method.belief in BELIEFS
    assert set(method.parameters) <= parameter_names(str(method.planner))
    make_planner(method.planner, load_hand("l6_v31"), load_object("cube"), method.parameters)
    changed = (method.planner, method.belief, dict(method.parameters), method.rule)
    assert changed != (full.planner, full.belief, dict(full.parameters), full.rule)  # type: ignore[attr-defined]


def test_ablations_are_asked_for_by_name_only() -> None:
    assert not set(ABLATIONS) & set(METHODS)
    assert not set(ABLATIONS) & set(method_names())
    assert make_method("vnb-prior").uses_beta
