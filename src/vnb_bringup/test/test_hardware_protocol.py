"""Slip, records and the table of hardware trials, against numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vnb_bringup.hardware.protocol import HardwareTrial, append, displacements, judged, load, report, spread, table
from vnb_grasp.errors import ConfigError


def at(x: float, y: float, z: float, turn: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    pose[:3, 3] = x, y, z
    return pose


def trial(method: str = "vnb", steps: int = 6, **more: object) -> HardwareTrial:
    given = {"time": 10.0, "epsilon_hat": 0.0016, "contacts": 3, "slip": (0.0, 0.004), "success": True, **more}
    return HardwareTrial("mustard_bottle", method, (5.0, 0.0), "emulated", steps=steps, **given)  # type: ignore[arg-type]


def test_an_object_that_goes_with_the_hand_does_not_slip() -> None:
    hands = [at(0.1, 0.2, 0.3 + dz, turn) for dz, turn in ((0.0, 0.0), (0.04, 0.5), (0.08, 1.0))]
    in_hand = at(0.02, 0.0, 0.1)
    assert_allclose(displacements(hands, [hand @ in_hand for hand in hands]), 0.0, atol=1e-12)


def test_slip_is_the_distance_in_the_hand() -> None:
    hands = [at(0.0, 0.0, 0.0), at(0.0, 0.0, 0.04)]
    seen = [at(0.0, 0.0, 0.1), at(0.003, 0.0, 0.136)]  # 4 mm less high than the hand has risen, 3 mm aside
    assert_allclose(displacements(hands, seen), [0.0, 0.005], atol=1e-12)


@pytest.mark.parametrize(
    ("slip", "stayed"), [((0.0, 0.019), True), ((0.0, 0.021, 0.0), False), ((0.0,), False), ((), False)]
)
def test_judgement(slip: tuple[float, ...], stayed: bool) -> None:
    assert judged(slip) is stayed


def test_spread_of_known_numbers() -> None:
    found = spread([1.0, 2.0, 3.0, 4.0, math.nan])
    assert_allclose([found.low, found.median, found.high], [1.75, 2.5, 3.25])
    assert_allclose(found.variation, math.sqrt(5 / 3) / 2.5)


def test_spread_of_too_few() -> None:
    assert math.isnan(spread([]).median)
    assert math.isnan(spread([3.0]).variation)


@given(st.lists(st.floats(0.1, 100.0), min_size=2, max_size=30), st.floats(0.1, 10.0))
def test_variation_has_no_unit(values: list[float], scale: float) -> None:
    assert_allclose(spread(v * scale for v in values).variation, spread(values).variation, rtol=1e-9, atol=1e-12)


def test_table() -> None:
    rows = table([trial(steps=6), trial(steps=8), trial("gauss", steps=11), trial(success=False, error="on hold")])
    lines = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]] for line in rows.splitlines()}
    assert lines["metric"] == ["gauss: median [IQR]", "gauss: CoV", "vnb: median [IQR]", "vnb: CoV"]
    assert lines["Steps"] == ["11 [11 to 11]", "-", "7 [6 to 8]", "0.20"]
    assert lines["epsilon-hat at the end (x 1e-3)"][0] == "1.6 [1.6 to 1.6]"
    assert lines["Max slip (mm)"][2] == "4.0 [4.0 to 4.0]"
    assert lines["Success"] == ["1 of 1", "", "2 of 3", ""]


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    written = (trial(), trial("gauss", p_fail=0.2, stop_reason="quality"), trial(success=False, error="hold"))
    for one in written:
        append(tmp_path, one)
    assert repr(load(tmp_path)) == repr(written)
    text = report(load(tmp_path), "./vnb hardware-trial")
    assert "3 trials of mustard_bottle, on: emulated" in text and "| hold |" in text


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    append(tmp_path, trial())
    with (tmp_path / "trials.jsonl").open("a", encoding="utf-8") as file:
        file.write("{}\n")
    with pytest.raises(ConfigError, match="line 2"):
        load(tmp_path)
