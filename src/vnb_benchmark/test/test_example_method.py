"""The documented example enters the benchmark by its entry point and runs; nothing is installed."""

from __future__ import annotations

import math
import sys
import tomllib
from pathlib import Path

import pytest

from vnb_benchmark.methods.registry import make_method, method_names
from vnb_benchmark.scenarios.case import Case
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "my_method"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the example on the path with the metadata that pip would write for it; return the method's name."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"]["vnb.methods"]
    info = tmp_path / "my_method-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[vnb.methods]\n{lines}\n")
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
    (name,) = points
    return str(name)


def test_the_example_appears_by_name_and_runs_a_case(installed: str) -> None:
    assert installed in method_names()
    method = make_method(installed)
    case = Case(0, "test", Scenario("cube", seed=5))
    bridge, scene = SimBridge(case.scenario), PlanningScene("cube", "l6_v31")
    episodes = [method.run(bridge, scene, case, math.nan) for _ in range(2)]
    first, second = ([step.control.decision.action.tolist() for step in episode.steps] for episode in episodes)
    assert episodes[0].stop_reason == "done"
    assert len(first) == 41
    assert 0.4 <= first[0][1] <= 0.8
    assert first[0][0] == 0.0
    assert first == second
    assert repr(episodes[0].report) == repr(episodes[1].report)


def test_the_readme_says_the_commands_and_names_what_exists() -> None:
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for words in ("pip install --no-deps -e examples/my_method", "./vnb methods", "my_method.py", "pyproject.toml"):
        assert words in text
