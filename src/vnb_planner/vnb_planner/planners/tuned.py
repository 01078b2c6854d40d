"""The scripted planner with the best fixed setting of each object, searched beforehand by ``./vnb tune``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vnb_grasp.errors import DescriptionError, UnknownNameError
from vnb_planner.config import from_mapping
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners.scripted import ScriptedConfig, ScriptedPlanner

SETTINGS_DIR = Path(__file__).resolve().parent / "settings"
"""One file per hand variant; each also states the command, the seeds and the scores that made it."""


class TunedPlanner(ScriptedPlanner):
    """The script with the setting of its object; the object's name is all that it knows beyond the script."""

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> TunedPlanner:
        """Make the planner; ``parameters``, fields of :class:`ScriptedConfig`, override the setting's.

        Raises:
            UnknownNameError: If hand or object has no setting; ``./vnb tune`` makes one.
        """
        setting = load_setting(hand.name, target.name)
        return cls(hand, target, from_mapping(ScriptedConfig, {**setting, **(parameters or {})}))


@cache
def load_setting(hand: str, object_name: str) -> Mapping[str, Any]:
    """Return the setting of an object for a hand variant, as fields of :class:`ScriptedConfig`.

    Raises:
        UnknownNameError: If the hand has no file or the object is not in it.
        DescriptionError: If the file has no setting where one is expected.
    """
    known = sorted(path.stem for path in SETTINGS_DIR.glob("*.yaml"))
    if hand not in known:
        raise UnknownNameError("hand with tuned settings (./vnb tune makes them)", hand, known)
    objects = yaml.safe_load((SETTINGS_DIR / f"{hand}.yaml").read_text(encoding="utf-8"))["objects"]
    if object_name not in objects:
        raise UnknownNameError(f"object with a tuned setting for {hand} (./vnb tune makes them)", object_name, objects)
    setting = objects[object_name].get("setting")
    if not isinstance(setting, dict):
        raise DescriptionError(f"tuned settings of {hand}, {object_name}: got setting {setting!r}, expected a mapping")
    return setting
