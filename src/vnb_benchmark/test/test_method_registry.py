"""Methods by name, and those that installed packages bring along."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vnb_belief.beliefs import BELIEFS
from vnb_benchmark.methods.oracle import OracleMethod
from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_benchmark.methods.registry import METHODS, make_method, method_names
from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_planner.planners import PLANNERS

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that makes a distribution with one module and one entry point look installed."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(distribution: str, name: str, code: str, factory: str = "make") -> None:
        module = f"vnb_test_{distribution}"
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[vnb.methods]\n{name} = {module}:{factory}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return make


GOOD = """
from vnb_benchmark.methods.planner_method import PlannerMethod

def make(): return PlannerMethod('noop', 'prior')
"""


def test_this_projects_methods_and_which_take_beta() -> None:
    searching = ("vnb", "gauss", "gauss_cvar", "cem", "pf", "robust")
    assert METHODS.names() == (*searching, "scripted", "tuned", "squeeze", "noop", "random", "oracle")
    assert method_names()[: len(METHODS.names())] == METHODS.names()
    methods = {name: make_method(name) for name in METHODS.names()}
    assert {name for name, method in methods.items() if method.uses_beta} == set(searching) - {"gauss"}
    planners = {name: method for name, method in methods.items() if isinstance(method, PlannerMethod)}
    assert all(method.planner == name and name in PLANNERS for name, method in planners.items())
    assert {name: method.belief for name, method in planners.items() if name in searching} == {
        **dict.fromkeys(searching, "learned"),
        "pf": "particle_filter",
    }
    assert all(method.belief in BELIEFS for method in planners.values())
    assert isinstance(methods["oracle"], OracleMethod)
    assert make_method("vnb") is not methods["vnb"]


def test_an_unknown_name_lists_the_known_ones(install: Install) -> None:
    install("zeta", "their_own", GOOD)
    with pytest.raises(UnknownNameError, match=r"'magic'.*scripted.*their_own"):
        make_method("magic")


def test_an_installed_method_appears_and_is_made(install: Install) -> None:
    install("zeta", "their_own", GOOD)
    assert method_names() == (*METHODS.names(), "their_own")
    method = make_method("their_own")
    assert isinstance(method, PlannerMethod)
    assert method.planner == "noop"


@pytest.mark.parametrize(
    ("code", "factory", "words"),
    [
        ("import a_module_that_is_nowhere\n", "make", "ModuleNotFoundError"),
        ("raise RuntimeError('not today')\n", "make", "RuntimeError: not today"),
        (GOOD, "build", "AttributeError"),
        ("def make(): raise ValueError('no weights')\n", "make", "ValueError: no weights"),
        ("def make(): return 3\n", "make", "got int, expected an object with run"),
        ("class make:\n    uses_beta = 'no'\n    def run(self): ...\n", "make", "a bool uses_beta"),
    ],
)
def test_a_broken_one_harms_nobody_until_it_is_asked_for(install: Install, code: str, factory: str, words: str) -> None:
    install("zeta", "broken", code, factory)
    assert "broken" in method_names()
    assert make_method("noop")
    with pytest.raises(ConfigError, match=rf"distribution 'zeta', entry point 'broken' of vnb\.methods.*{words}"):
        make_method("broken")


def test_a_name_that_is_taken_is_an_error(install: Install) -> None:
    install("zeta", "vnb", GOOD)
    for ask in (method_names, lambda: make_method("vnb"), lambda: make_method("noop")):
        with pytest.raises(ConfigError, match=r"'zeta'.*'vnb' is taken by this project"):
            ask()


def test_two_packages_with_one_name_are_an_error(install: Install) -> None:
    install("alpha", "ours", GOOD)
    install("beta", "ours", GOOD)
    with pytest.raises(ConfigError, match=r"'beta'.*'ours' is taken by distribution 'alpha'"):
        method_names()


def test_a_method_begins_from_a_named_pregrasp() -> None:
    method = make_method("scripted@2")
    assert isinstance(method, PlannerMethod)
    assert (method.planner, method.pregrasp) == ("scripted", 2)
    plain = make_method("scripted")
    assert isinstance(plain, PlannerMethod)
    assert plain.pregrasp is None


@pytest.mark.parametrize("name", ["scripted@", "scripted@x", "scripted@-1", "oracle@0"])
def test_a_pregrasp_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected an index from 0"):
        make_method(name)
