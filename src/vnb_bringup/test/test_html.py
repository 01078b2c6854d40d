from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vnb_bringup.report import words
from vnb_bringup.report.folder import Pictures, write_folder
from vnb_bringup.report.html import render_html
from vnb_bringup.report.record import TrialRecord
from vnb_bringup.report.testing import make_record, make_verdict
from vnb_grasp.errors import ConfigError

COMMAND = "./vnb trial --seed 3"


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href"):
                self.sources.append(value or "")


def collect(page: str) -> Collector:
    collector = Collector()
    collector.feed(page)
    return collector


def test_page_refers_to_nothing_outside(record: TrialRecord) -> None:
    page = render_html(record, {"before": b"png"}, b"gif", COMMAND)
    seen = collect(page)
    assert [source for source in seen.sources if not source.startswith(("data:", "#"))] == []
    assert not re.search(r"url\((?!#)", page)
    assert not {"script", "link", "iframe"} & set(seen.tags)
    assert seen.tags.count("img") == 2


def test_page_shows_what_was_asked_for(record: TrialRecord) -> None:
    page = render_html(record, {}, b"", COMMAND)
    assert collect(page).tags.count("svg") == 5 + 3 + 2 + 3 + 1
    for text in ("Held", "CVaR", "P(fail)", "force 3 N", "friction drops to", COMMAND, "What was drawn"):
        assert text in page


def test_charts_follow_the_theme(record: TrialRecord) -> None:
    page = render_html(record, {}, b"", COMMAND)
    charts = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--c1)" in charts
    assert not re.search(r"(?:stroke|fill): #", charts)
    used = set(re.findall(r"var\(--(\w+)\)", charts))
    assert used <= set(re.findall(r"--(\w+): ?#", page))


def test_the_same_record_gives_the_same_page(record: TrialRecord) -> None:
    assert render_html(record, {}, b"", COMMAND) == render_html(record, {}, b"", COMMAND)


def test_texts_are_escaped(record: TrialRecord) -> None:
    page = render_html(replace(record, error_code=1, error_message="<script>alert(1)</script>"), {}, b"", COMMAND)
    assert "script" not in collect(page).tags


def test_a_method_without_risk_or_belief_has_a_page(record: TrialRecord) -> None:
    nan = math.nan
    steps = tuple(
        replace(s, logits=(), means=(), log_stds=(), cvar=nan, expected_cost=nan, p_fail=nan, entropy=nan)
        for s in record.steps
    )
    page = render_html(replace(record, steps=steps, method="noop"), {}, b"", COMMAND)
    assert "does not compute risk" in page


def test_a_trial_without_steps_has_a_page() -> None:
    page = render_html(
        make_record(steps=(), verdict=None, error_code=50, error_message="no way there"), {}, b"", COMMAND
    )
    assert "no way there" in page
    assert "svg" not in collect(page).tags


@pytest.mark.parametrize(
    ("changes", "headline", "tone"),
    [
        ({}, "Held", "good"),
        ({"nominal": False, "peak_slip": 3.0, "failure_mode": "slip"}, "Slipped", "fair"),
        ({"lifted": False, "nominal": False, "failure_mode": "lift"}, "Lost in the lift", "bad"),
        ({"lifted": False, "nominal": False, "failure_mode": "grasp"}, "Not grasped", "bad"),
    ],
)
def test_verdict_in_words(changes: dict[str, object], headline: str, tone: str) -> None:
    record = make_record(verdict=make_verdict(**changes))
    assert words.headline(record) == headline
    assert words.tone(record) == tone
    assert "mustard bottle" in words.sentence(record)


def test_an_object_that_flew_away_has_no_distance() -> None:
    record = make_record(verdict=make_verdict(nominal=False, peak_slip=8.1, failure_mode="slip"))
    assert "was lost under sideways pulses" in words.sentence(record)


def test_folder_holds_everything_and_nothing_old(record: TrialRecord, tmp_path: Path) -> None:
    page = write_folder(tmp_path, record, Pictures({"before": b"png"}, b"gif"), COMMAND)
    names = {"result.json", "timings.json", "report.html", "before.png", "grasp.gif"}
    assert {path.name for path in tmp_path.iterdir()} == names
    write_folder(tmp_path, record, Pictures(), COMMAND)
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "timings.json", "report.html"}
    assert page == tmp_path / "report.html"


def test_a_file_in_the_way_is_named(record: TrialRecord, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out"):
        write_folder(tmp_path / "file", record, Pictures(), COMMAND)


def test_attempts_and_an_abstention_are_told() -> None:
    record = replace(make_record(), attempts=2, abstained=True)
    said = words.sentence(record)
    assert "in 2 attempts" in said
    assert f"would not lift it (failure probability {record.steps[-1].p_fail:.2f})" in said
    assert "would not lift" not in words.sentence(make_record())
