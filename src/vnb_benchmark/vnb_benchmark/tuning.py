"""Search the scripted planner's best fixed setting of each object, on calibration cases only.

Every episode is appended to a file as soon as it is over, and found again when the search is started anew.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_benchmark.scenarios.case import Case
from vnb_benchmark.scenarios.presets import FRICTION_REGIMES
from vnb_benchmark.scenarios.seeds import split_seeds
from vnb_benchmark.scoring import Score, score
from vnb_grasp.description import load_object
from vnb_grasp.errors import ConfigError, MotionError, SimulationError
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import draw_scenario

SET_SEED = 100
"""Seed of the calibration set that is tuned on; thresholds are calibrated on that of seed 0."""
SQUEEZES = (0.35, 0.5, 0.65, 0.85)
THUMB_SQUEEZES = (0.0, 1.0)
"""With 0 the thumb's squeeze is that of the fingers, as the script takes the larger of the two."""
LOST = Score(robust=False, survival=0.0, gentleness=0.0)
"""Of a case whose pre-grasps are out of reach or whose simulation fails: no setting can help it."""

Setting = Mapping[str, float]


@dataclass(frozen=True)
class TuneConfig:
    """What to search.

    Attributes:
        objects: Objects to tune for.
        hand: Hand variant.
        cases: Calibration cases per object; the friction regimes take turns.
        seed: Of the calibration set that the scenario seeds are taken from.
        folder: Where the episodes are kept, one file per object.
    """

    objects: tuple[str, ...]
    hand: str = "l6_v31"
    cases: int = 3
    seed: int = SET_SEED
    folder: Path = Path("out/tune")

    def __post_init__(self) -> None:
        if not self.objects or self.cases < 1:
            raise ConfigError(f"tuning needs objects and cases, got {self.objects} and {self.cases}")


def settings_grid() -> tuple[Setting, ...]:
    """Return the settings that are tried, the gentlest first.

    The script's ``finger_ratio`` is no dimension of its own: beside a thumb that is set apart it only scales the
    fingers' squeeze.
    """
    return tuple({"squeeze": s, "thumb_squeeze": t} for s, t in itertools.product(SQUEEZES, THUMB_SQUEEZES))


def calibration_cases(config: TuneConfig, object_name: str) -> tuple[Case, ...]:
    """Return the cases of one object: of the preset ``calibration``'s every seed in one of its regimes.

    Raises:
        ConfigError: If the calibration split has no such seeds.
    """
    scenarios = (
        draw_scenario(object_name, FRICTION_REGIMES[i % len(FRICTION_REGIMES)], seed, config.hand)
        for i, seed in enumerate(split_seeds("calibration", config.seed, config.cases))
    )
    return tuple(Case(i, "calibration", scenario) for i, scenario in enumerate(scenarios))


def tune(
    config: TuneConfig,
    path: Path,
    command: str,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Setting]:
    """Search the objects one by one and write each one's best setting into the file at ``path`` when it is found.

    Args:
        config: What to search.
        path: Settings file of the hand; objects that are not searched stay.
        command: Command line that is noted in the file.
        progress: Called with the object, its finished episodes and their total.
    """
    found: dict[str, Setting] = {}
    for name in config.objects:
        scores = _search(config, name, progress)
        best = choose(scores)
        found[name] = best
        cases = calibration_cases(config, name)
        entry = {
            "setting": dict(best),
            "command": command,
            "regimes": [case.scenario.regime for case in cases],
            "seeds": [case.scenario.seed for case in cases],
            "scores": [{**setting, **_summary(of)} for setting, of in scores],
        }
        _write(path, name, entry)
    return found


def choose(scores: Sequence[tuple[Setting, Sequence[Score]]]) -> Setting:
    """Return the best setting by robust successes, then mean survival, then gentleness; the first of equals."""
    return max(scores, key=lambda item: _total(item[1]))[0]


def _total(scores: Sequence[Score]) -> Score:
    return Score(
        robust=sum(s.robust for s in scores),  # type: ignore[arg-type]  # a count orders as the flag does
        survival=round(float(np.mean([s.survival for s in scores])), 9),
        gentleness=float(np.mean([s.gentleness for s in scores])),
    )


def _summary(scores: Sequence[Score]) -> dict[str, Any]:
    total = _total(scores)
    return {
        "robust": int(total.robust),
        "survival": round(total.survival, 3),
        "peak_over_cap": round(-total.gentleness, 3),
    }


def _search(
    config: TuneConfig, name: str, progress: Callable[[str, int, int], None] | None
) -> list[tuple[Setting, list[Score]]]:
    """Return the scores of every setting in every case, running those that the object's file does not hold yet."""
    cases, grid = calibration_cases(config, name), settings_grid()
    store = config.folder / config.hand / f"{name}.jsonl"
    known = _read(store)
    bridge: SimBridge | None = None
    scene: PlanningScene | None = None
    results: list[tuple[Setting, list[Score]]] = []
    for i, setting in enumerate(grid):
        method, scores = PlannerMethod("scripted", "prior", dict(setting)), []
        for j, case in enumerate(cases):
            key = _key(setting, case)
            if key not in known:
                bridge = bridge or SimBridge(case.scenario)
                scene = scene or PlanningScene(name, config.hand)
                known[key] = _run(method, bridge, scene, case)
                _append(store, key, known[key])
            scores.append(known[key])
            if progress is not None:
                progress(name, i * len(cases) + j + 1, len(grid) * len(cases))
        results.append((setting, scores))
    return results


def _run(method: PlannerMethod, bridge: SimBridge, scene: PlanningScene, case: Case) -> Score:
    try:
        report = method.run(bridge, scene, case, math.nan).report
    except (MotionError, SimulationError):
        return LOST
    return score(report, load_object(case.scenario.object_name).force_cap)


def _key(setting: Setting, case: Case) -> str:
    return json.dumps([sorted(setting.items()), case.scenario.regime, case.scenario.seed])


def _append(store: Path, key: str, result: Score) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    with store.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, **asdict(result)}) + "\n")


def _read(store: Path) -> dict[str, Score]:
    """Return the episodes of a store; a last line that an interruption cut short does not count."""
    known: dict[str, Score] = {}
    lines = store.read_text(encoding="utf-8").splitlines(keepends=True) if store.exists() else []
    for line in lines:
        if line.endswith("\n"):
            values = json.loads(line)
            key = values.pop("key")
            known[key] = Score(**values)
    if lines and not lines[-1].endswith("\n"):
        store.write_text("".join(lines[:-1]), encoding="utf-8")
    return known


def _write(path: Path, name: str, entry: Mapping[str, Any]) -> None:
    objects = yaml.safe_load(path.read_text(encoding="utf-8"))["objects"] if path.exists() else {}
    text = yaml.safe_dump({"objects": {**objects, name: entry}}, default_flow_style=None, sort_keys=True, width=120)
    remark = "# Best fixed settings of the scripted planner per object; made by ./vnb tune, do not edit.\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(remark + text, encoding="utf-8")
