"""The diff report of a replay: Markdown to read, JSON to compute with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vnb_bringup.replay.compare import Comparison, Difference, GraspComparison, finite
from vnb_bringup.replay.recompute import ReplaySettings

JSON_NAME, MARKDOWN_NAME = "replay.json", "replay.md"

COUNTERFACTUAL = (
    "Every decision here is the answer to the situation that was recorded at its step. Fingers, object and sensors are "
    "those of the recording: where the computed action is another one, the steps after it would have been others too. "
    "`./vnb trial` with the same scenario tells what becomes of the grasp."
)


def write_report(
    out: Path, bag: Path, settings: ReplaySettings, found: Comparison, notes: Mapping[str, str], command: str
) -> tuple[Path, Path]:
    """Write both files and return their paths.

    Args:
        out: Folder; made if it is not there.
        bag: The bag's path.
        settings: What was computed.
        found: How it compares.
        notes: Further facts by title.
        command: Command line that did it.
    """
    out.mkdir(parents=True, exist_ok=True)
    markdown, data = out / MARKDOWN_NAME, out / JSON_NAME
    markdown.write_text(to_markdown(bag, settings, found, notes, command), encoding="utf-8")
    text = json.dumps(to_dict(bag, settings, found, notes, command), indent=1, allow_nan=False)
    data.write_text(text + "\n", encoding="utf-8")
    return markdown, data


def verdict(settings: ReplaySettings, found: Comparison) -> str:
    """Return the outcome in a sentence."""
    grasps = f"{len(found.grasps)} grasp{'s' * (len(found.grasps) != 1)}"
    decisions = sum(grasp.decisions.compared for grasp in found.grasps)
    if found.exact:
        return f"The same to the bit: {found.beliefs.compared} beliefs and {decisions} decisions of {grasps}."
    equal = sum(grasp.decisions.equal for grasp in found.grasps)
    what = "Differs from the recording" if settings.plain else "Compared with the recording"
    return (
        f"{what}: {found.beliefs.equal} of {found.beliefs.compared} beliefs and {equal} of {decisions} decisions of "
        f"{grasps} are the same to the bit."
    )


def to_markdown(bag: Path, settings: ReplaySettings, found: Comparison, notes: Mapping[str, str], command: str) -> str:
    """Return the report as Markdown."""
    lines = [f"# Replay of `{bag}`", "", verdict(settings, found), "", f"    {command}", ""]
    lines += [f"- {title}: {text}" for title, text in notes.items()] + [""] * bool(notes)
    if not settings.plain:
        lines += [COUNTERFACTUAL, ""]
    lines += ["## Messages", "", "| what | compared | same to the bit | without counterpart | first difference |"]
    lines += ["|---|---|---|---|---|"]
    if settings.source == "observation":
        lines.append(_difference_row("beliefs", found.beliefs))
    for number, grasp in enumerate(found.grasps):
        lines.append(_difference_row(f"grasp {number}: decisions", grasp.decisions))
        lines.append(_difference_row(f"grasp {number}: commands", grasp.commands))
    parts = {"beliefs": found.beliefs} | {f"grasp {i}: decisions": g.decisions for i, g in enumerate(found.grasps)}
    for name, part in parts.items():
        if part.fields:
            told = ", ".join(f"`{field}` {_number(size)}" for field, size in sorted(part.fields.items()))
            lines += ["", f"Largest differences of {name}: {told}."]
    for number, grasp in enumerate(found.grasps):
        lines += ["", *_grasp_section(number, grasp)]
    return "\n".join(lines) + "\n"


def _difference_row(name: str, part: Difference) -> str:
    first = "-" if part.first is None else f"step {part.first[1]} at {part.first[0]:.3f} s"
    return f"| {name} | {part.compared} | {part.equal} | {part.unpaired} | {first} |"


def _grasp_section(number: int, grasp: GraspComparison) -> list[str]:
    goal, asked = grasp.replay.recorded.goal, grasp.replay.goal
    count = len(grasp.replay.recorded.decisions)
    lines = [f"## Grasp {number}: {goal.object_name}", "", "| | recorded | computed |", "|---|---|---|"]
    lines.append(f"| method | {goal.method} | {asked.method} |")
    lines.append(f"| beta | {goal.beta:g} | {asked.beta:g} |")
    lines.append(f"| decisions | {count} | {len(grasp.replay.statuses)} |")
    lines.append(f"| ended by | {grasp.ended[0] or '-'} | {grasp.ended[1] or 'nothing: it would go on'} |")
    if grasp.steps:
        last = grasp.steps[-1]
        lines.append(f"| P(fail) at step {last.step} | {_number(last.p_fail[0])} | {_number(last.p_fail[1])} |")
        lines.append(f"| CVaR at step {last.step} | {_number(last.cvar[0])} | {_number(last.cvar[1])} |")
    if grasp.decisions.exact:
        return lines
    lines += ["", "| step | largest difference of a velocity [rad/s] | CVaR | computed | P(fail) | computed |"]
    lines += ["|---|---|---|---|---|---|"]
    for step in grasp.steps:
        figures = (step.action, *step.cvar, *step.p_fail)
        lines.append(f"| {step.step} | {' | '.join(_number(figure) for figure in figures)} |")
    return lines


def to_dict(
    bag: Path, settings: ReplaySettings, found: Comparison, notes: Mapping[str, str], command: str
) -> dict[str, Any]:
    """Return the report as JSON holds it; what is not finite is None."""
    return {
        "version": 1,
        "bag": str(bag),
        "command": command,
        "source": settings.source,
        "altered": {
            name: None if value is None else str(value) for name, value in vars(settings).items() if name != "source"
        },
        "notes": dict(notes),
        "exact": found.exact,
        "beliefs": _difference_dict(found.beliefs),
        "grasps": [_grasp_dict(grasp) for grasp in found.grasps],
    }


def _difference_dict(part: Difference) -> dict[str, Any]:
    return {
        "compared": part.compared,
        "equal": part.equal,
        "unpaired": part.unpaired,
        "exact": part.exact,
        "largest_difference": finite(part.fields),
        "first": None if part.first is None else {"time": part.first[0], "step": part.first[1]},
    }


def _grasp_dict(grasp: GraspComparison) -> dict[str, Any]:
    goal, asked = grasp.replay.recorded.goal, grasp.replay.goal
    names = ("action", "cvar_recorded", "cvar", "p_fail_recorded", "p_fail")
    return {
        "object": goal.object_name,
        "method": [goal.method, asked.method],
        "beta": [goal.beta, asked.beta],
        "steps": [len(grasp.replay.recorded.decisions), len(grasp.replay.statuses)],
        "ended": list(grasp.ended),
        "error": grasp.replay.error,
        "decisions": _difference_dict(grasp.decisions),
        "commands": _difference_dict(grasp.commands),
        "choices": [
            {"step": s.step, **finite(dict(zip(names, (s.action, *s.cvar, *s.p_fail), strict=True)))}
            for s in grasp.steps
        ],
    }


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "other" if math.isinf(value) else f"{value:.4g}"
