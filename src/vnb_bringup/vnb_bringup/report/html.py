"""The one-page report: self-contained HTML, no scripts, no links to anywhere."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np

from vnb_bringup.report import words
from vnb_bringup.report.plots import FINGERS, charts
from vnb_bringup.report.record import TestRecord, TrialRecord, Verdict
from vnb_grasp.description import load_object

_CAPTIONS = {"before": "Before closing", "closed": "After closing", "lifted": "After lifting"}


@dataclass(frozen=True)
class Tile:
    """One figure at the top of the page."""

    label: str
    value: str
    note: str = ""


def render_html(record: TrialRecord, pictures: Mapping[str, bytes], gif: bytes, command: str) -> str:
    """Return the page.

    Args:
        record: The trial.
        pictures: PNG bytes by name (``before``, ``closed``, ``lifted``); may be empty.
        gif: The film; may be empty.
        command: The command line that repeats the trial.
    """
    force_cap = load_object(record.scenario.object_name).force_cap
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vnb_bringup.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html").render(
        object_words=words.object_words(record),
        headline=words.headline(record),
        tone=words.tone(record),
        sentence=words.sentence(record),
        record=record,
        tiles=_tiles(record, force_cap),
        drawn=_drawn(record),
        charts=charts(record, force_cap),
        fingers=FINGERS,
        friction=f"{record.scenario.friction_effective:.2f}",
        force_cap=f"{force_cap:g}",
        battery=_battery(record.verdict.tests) if record.verdict else [],
        pictures=[(caption, _data("png", pictures[name])) for name, caption in _CAPTIONS.items() if name in pictures],
        gif=_data("gif", gif) if gif else "",
        median_time=_median_time(record),
        command=command,
    )


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _tiles(record: TrialRecord, force_cap: float) -> list[Tile]:
    tiles = []
    verdict = record.verdict
    if verdict is not None:
        tiles += _verdict_tiles(verdict, force_cap)
    if record.steps:
        last = record.steps[-1]
        touching = sum(last.contact)
        tiles.append(Tile("Decisions", str(len(record.steps)), f"{touching} of 5 fingers touch at the end"))
        if math.isfinite(last.p_fail):
            tiles.append(
                Tile("P(fail) at the end", f"{last.p_fail:.2f}", f"CVaR {last.cvar:.3g} at β = {record.beta:g}")
            )
        tiles.append(Tile("Grasp quality ε", f"{last.epsilon_hat:.3f}", f"true {last.epsilon_true:.3f}"))
    return tiles


def _verdict_tiles(verdict: Verdict, force_cap: float) -> list[Tile]:
    survived, total = sum(test.survived for test in verdict.tests), len(verdict.tests)
    pulses = "12 N" if verdict.nominal_12 else "8 N" if verdict.nominal else "failed"
    tiles = [
        Tile("Lift", f"{1e3 * verdict.lift_height:.0f} mm", "hangs free" if verdict.lifted else "not lifted"),
        Tile(
            "Sideways pulses",
            pulses if verdict.lifted else "–",
            words.motion(verdict.peak_slip) if verdict.lifted else "",
        ),
    ]
    if total:
        tiles.append(Tile("Disturbances", f"{survived} / {total}", "survived"))
    elif verdict.lifted:
        tiles.append(Tile("Disturbances", "–", "not run"))
    above = verdict.peak_force > force_cap
    tiles.append(
        Tile(
            "Peak force", f"{verdict.peak_force:.1f} N", f"{'above' if above else 'within'} the cap of {force_cap:g} N"
        )
    )
    return tiles


def _drawn(record: TrialRecord) -> list[tuple[str, str]]:
    s = record.scenario
    shift = 1e3 * math.hypot(*s.pose_bias[:3])
    turn = math.degrees(math.hypot(*s.pose_bias[3:]))
    mass = load_object(s.object_name).mass * s.mass_scale
    return [
        ("Friction regime, seed", f"{s.regime}, {s.seed}"),
        ("Friction of the object", f"{s.friction_object:.3f}"),
        ("Friction of finger on object", f"{s.friction_effective:.3f}"),
        ("Mass", f"{1e3 * mass:.0f} g"),
        ("Contact stiffness, damping", f"{s.stiffness:.0f} N/m, {s.damping:.1f} N s/m"),
        ("Place on the table", f"x {s.object_x:.3f} m, y {s.object_y:.3f} m, yaw {math.degrees(s.object_yaw):.1f}°"),
        ("Error of the pose sensor", f"{shift:.1f} mm, {turn:.1f}°"),
    ]


@dataclass(frozen=True)
class BatteryRow:
    """One row of the battery's table: what was applied, and the outcome of each variant."""

    label: str
    cells: tuple[tuple[str, TestRecord, str], ...]


def _battery(tests: tuple[TestRecord, ...]) -> list[BatteryRow]:
    """Group tests named ``kind amount [unit] variant`` by all but the variant."""
    rows: dict[str, list[tuple[str, TestRecord, str]]] = {}
    for test in tests:
        label, _, variant = test.name.rpartition(" ")
        if test.name.startswith("friction"):
            label = "friction drops to"
        rows.setdefault(label, []).append((variant.replace("-", "−"), test, words.motion(test.displacement)))
    return [BatteryRow(label, tuple(cells)) for label, cells in rows.items()]


def _median_time(record: TrialRecord) -> str:
    times: list[Any] = [step.planning_time for step in record.steps]
    return f"{1e3 * float(np.median(times)):.0f} ms" if times else "–"
