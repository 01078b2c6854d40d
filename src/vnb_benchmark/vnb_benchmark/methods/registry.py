"""Methods by name: those of this project, and those that installed packages bring along.

A package enters a method by an entry point of the group ``vnb.methods`` that names a factory without arguments::

    [project.entry-points."vnb.methods"]
    mine = "my_package.my_module:make"

See ``examples/my_method``. Entry points are only imported when their method is asked for.

``NAME@INDEX`` is the method ``NAME`` that begins from the library's pre-grasp ``INDEX``, whatever the robot would
choose: what each pre-grasp is worth with that method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from vnb_benchmark.methods.ablations import ABLATIONS
from vnb_benchmark.methods.interface import Method
from vnb_benchmark.methods.oracle import OracleMethod
from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_grasp.registry import Registry

GROUP = "vnb.methods"

AT = "@"
"""Stands between a method's name and the pre-grasp that it begins from."""

METHODS: Registry[Callable[[], Method]] = Registry("method")
"""Factories of this project's methods by name."""

METHODS.add("vnb", lambda: PlannerMethod("vnb", uses_beta=True))
METHODS.add("gauss", lambda: PlannerMethod("gauss"))
METHODS.add("gauss_cvar", lambda: PlannerMethod("gauss_cvar", uses_beta=True))
METHODS.add("cem", lambda: PlannerMethod("cem", uses_beta=True))
METHODS.add("pf", lambda: PlannerMethod("pf", "particle_filter", uses_beta=True))
METHODS.add("robust", lambda: PlannerMethod("robust", uses_beta=True))
METHODS.add("scripted", lambda: PlannerMethod("scripted", "prior"))
METHODS.add("tuned", lambda: PlannerMethod("tuned", "prior"))
METHODS.add("squeeze", lambda: PlannerMethod("squeeze", "prior"))
METHODS.add("noop", lambda: PlannerMethod("noop", "prior"))
METHODS.add("random", lambda: PlannerMethod("random", "prior"))
METHODS.add("oracle", OracleMethod)


def method_names() -> tuple[str, ...]:
    """Return the names of all methods, this project's first; nothing is imported for it.

    Raises:
        ConfigError: If an installed package takes a name that is taken.
    """
    return (*METHODS.names(), *_installed())


def make_method(name: str) -> Method:
    """Make the method of that name; ablations are made too, though no list of all methods names them.

    Raises:
        UnknownNameError: If there is none; the message lists the known ones.
        ConfigError: If an installed package takes a name that is taken, or its entry point fails or makes no method; if
            a pre-grasp is named for a method that chooses none, or is no index.
    """
    base, at, index = name.partition(AT)
    if not at:
        return _make_named(name)
    method = _make_named(base)
    if not isinstance(method, PlannerMethod) or not index.isdecimal():
        raise ConfigError(
            f"method {name!r}: got pre-grasp {index!r} for {type(method).__name__}, expected an index from 0, and a "
            "method that runs a planner"
        )
    return replace(method, pregrasp=int(index))


def distribution_of(name: str) -> str:
    """Return name and version of the package that enters the method; empty for a method of this project."""
    base = name.partition(AT)[0]
    point = None if base in METHODS or base in ABLATIONS else _installed().get(base)
    if point is None:
        return ""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"


def _make_named(name: str) -> Method:
    installed = _installed()
    if name in METHODS:
        return METHODS[name]()
    if name in ABLATIONS:
        return ABLATIONS[name]()
    if name not in installed:
        raise UnknownNameError("method", name, (*METHODS.names(), *ABLATIONS.names(), *installed))
    return _make_installed(installed[name])


def _installed() -> dict[str, EntryPoint]:
    """Return the entry points by name, in alphabetical order."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        ours = point.name in METHODS or point.name in ABLATIONS
        other = "this project" if ours else _where(found[point.name]) if point.name in found else ""
        if other:
            raise ConfigError(
                f"{_where(point)}: the method name {point.name!r} is taken by {other}; rename it, or uninstall one"
            )
        found[point.name] = point
    return found


def _make_installed(point: EntryPoint) -> Method:
    try:
        method = point.load()()
    except Exception as error:  # another's code: whatever it raises, say whose it is
        raise ConfigError(
            f"{_where(point)} cannot make its method: {type(error).__name__}: {error}; mend or uninstall it"
        ) from error
    if not callable(getattr(method, "run", None)) or not isinstance(getattr(method, "uses_beta", None), bool):
        raise ConfigError(
            f"{_where(point)}: got {type(method).__name__}, expected an object with run(bridge, scene, case, beta) "
            "and a bool uses_beta"
        )
    made: Method = method
    return made


def _where(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "unknown"
    return f"distribution {package!r}, entry point {point.name!r} of {GROUP} ({point.value})"
