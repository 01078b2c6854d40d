"""The tuned script: shipped settings for every object, and clear words where there are none."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from vnb_grasp.description import known_objects, load_hand, load_object
from vnb_grasp.errors import ConfigError, DescriptionError, UnknownNameError
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PLANNERS, ScriptedConfig, ScriptedPlanner, tuned
from vnb_planner.planners.factory import make_planner


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one hand's file, in place of the shipped one."""
    monkeypatch.setattr(tuned, "SETTINGS_DIR", tmp_path)
    tuned.load_setting.cache_clear()
    objects = {"ball": {"setting": {"squeeze": 0.4, "thumb_squeeze": 0.0}}, "broken": {"setting": 3}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({"objects": objects}))
    yield tmp_path
    tuned.load_setting.cache_clear()


def make(hand: HandModel, target: ObjectModel, name: str, **parameters: float) -> ScriptedPlanner:
    planner = PLANNERS["tuned"](replace(hand, name="tiny"), replace(target, name=name), parameters)
    assert isinstance(planner, ScriptedPlanner)
    return planner


@pytest.mark.parametrize("name", known_objects())
def test_every_object_has_a_shipped_setting_that_says_where_it_is_from(name: str) -> None:
    planner = make_planner("tuned", load_hand("l6_v31"), load_object(name))
    assert isinstance(planner, ScriptedPlanner)
    entry = yaml.safe_load((tuned.SETTINGS_DIR / "l6_v31.yaml").read_text(encoding="utf-8"))["objects"][name]
    assert planner.config == ScriptedConfig(**entry["setting"])
    assert entry["command"].startswith("./vnb tune")
    assert len(entry["seeds"]) == len(entry["regimes"]) > 0
    chosen = [row for row in entry["scores"] if entry["setting"].items() <= row.items()]
    best = max(entry["scores"], key=lambda row: (row["robust"], row["survival"], -row["peak_over_cap"]))
    assert [(row["robust"], row["survival"]) for row in chosen] == [(best["robust"], best["survival"])]


@pytest.mark.usefixtures("settings")
def test_the_setting_is_the_objects_and_parameters_go_first(hand: HandModel, ball: ObjectModel) -> None:
    assert make(hand, ball, "ball").config == ScriptedConfig(squeeze=0.4, thumb_squeeze=0.0)
    assert make(hand, ball, "ball", squeeze=0.9).config == ScriptedConfig(squeeze=0.9, thumb_squeeze=0.0)
    with pytest.raises(ConfigError, match="grip"):
        make(hand, ball, "ball", grip=1.0)


@pytest.mark.usefixtures("settings")
def test_what_is_not_tuned_says_so(hand: HandModel, ball: ObjectModel) -> None:
    with pytest.raises(UnknownNameError, match=r"vnb tune.*ball"):
        make(hand, ball, "teapot")
    with pytest.raises(UnknownNameError, match=r"vnb tune.*tiny"):
        PLANNERS["tuned"](replace(hand, name="claw"), ball, None)
    with pytest.raises(DescriptionError, match="got setting 3"):
        make(hand, ball, "broken")
