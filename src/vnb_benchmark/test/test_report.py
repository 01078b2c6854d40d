"""Reports of whatever a run may have come to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.report.content import Report, number, percent, points
from vnb_benchmark.report.html import render_html
from vnb_benchmark.report.markdown import render_markdown
from vnb_benchmark.report.paper import ALIASES, TABLE_III, paper_figures
from vnb_benchmark.report.sections import build_report
from vnb_benchmark.report.write import write_files
from vnb_benchmark.statistics.intervals import UNKNOWN, Estimate
from vnb_benchmark.statistics.testing import broken_outcome, make_outcome, make_run

META = {
    "runs": '[{"command": "./vnb bench --preset quick", "hardware": "two cores", "started": "2026-11-20T00:00:00", '
    '"commit": "abc", "episodes": "9", "seconds": "150"}, {"command": "./vnb bench --resume"}]',
    "versions": '{"torch": "2.13.0"}',
    "checkpoint": "abc123",
    "cases": '{"name": "quick", "seed": 4}',
}
RUNS: dict[str, list[Outcome]] = {
    "full": make_run(cases=6),
    "betas": make_run(betas=(0.5, 0.9), cases=3),
    "one regime": make_run(("vnb", "cem"), regimes=("wide",)),
    "one method": make_run(("vnb",), ("bimodal",)),
    "without vnb": make_run(("cem", "scripted"), ("wide",)),
    "no probabilities": make_run(("scripted",), ("nominal",)),
    "many methods": make_run(tuple(f"m{i}" for i in range(9)), ("nominal",), cases=2),
    "one episode": [make_outcome()],
    "nothing ok": [broken_outcome(s, case=i) for i, s in enumerate(("failed", "crashed", "hung"))],
    "all failures": [make_outcome(False, case=i, method=m) for i in range(7) for m in ("vnb", "cem")],
    "only a sweep": [make_outcome(i % 3 > 0, case=i, sweep="friction", level=0.1 * (i % 5)) for i in range(20)],
    "empty": [],
}


def text(report: Report) -> str:
    return render_markdown(report)


@pytest.mark.parametrize("name", RUNS)
def test_every_kind_of_run_has_a_report(name: str, tmp_path: Path) -> None:
    report = build_report(RUNS[name], META, "./vnb report", lambda row: b"\x89PNG")
    page = write_files(report, tmp_path)
    html = page.read_text()
    assert "nan" not in text(report).lower().replace("planning", "")
    assert 'src="http' not in html and "<script" not in html
    for figure in report.figures:
        assert (tmp_path / "figures" / f"{figure.name}.png").is_file()
        assert f"figures/{figure.name}.png" in (tmp_path / "report.md").read_text()
    for stated in (
        "run:        ./vnb bench --preset quick",
        "commit abc",
        "9 episodes in 2.5 min",
        "killed before its end",
        "./vnb report",
        "abc123",
        "two cores",
        "2.13.0",
        "seed 4",
    ):
        assert stated.replace('"', "") in html


def test_full_report_has_all_sections_and_figures() -> None:
    rows = RUNS["full"] + [make_outcome(case=100 + i, sweep="mass", level=float(i % 2)) for i in range(8)]
    report = build_report(rows, META, "", lambda row: b"\x89PNG")
    assert [f.name for f in report.figures] == [
        "regimes",
        "reliability",
        "risk_coverage",
        "quality",
        "sweep_mass",
        "failure_modes",
        "failure_lift",
    ]
    assert {"Results by regime", "Pairs", "By object", "Calibration", "Sweeps"} <= {s.title for s in report.sections}


def test_ties_and_shortfalls_are_called_so() -> None:
    same = [make_outcome(case=i, method=m) for i in range(8) for m in ("vnb", "cem")]
    assert "vnb ties with cem" in text(build_report(same, META, ""))
    worse = [make_outcome(m == "cem", case=i, method=m) for i in range(30) for m in ("vnb", "cem")]
    found = text(build_report(worse, META, ""))
    assert "cem is better than vnb" in found
    assert "| 79 % | short of it by 79 points |" in found


def test_what_broke_is_listed_and_cannot_inject_markup() -> None:
    rows = [make_outcome(), broken_outcome("failed", case=1, error="<b>a|b</b>\n# no *heading*")]
    report = build_report(rows, META, "")
    assert "<b>a" not in render_html(report)
    assert "\\<b\\>a\\|b\\</b\\> \\# no \\*heading\\*" in render_markdown(report)
    assert "1 episode failed, crashed or hung" in render_markdown(report)


def test_pictures_are_left_out_for_a_stated_reason() -> None:
    rows = [make_outcome(False)]
    assert "No pictures: no OpenGL." in text(build_report(rows, META, "", None, "no OpenGL"))
    assert "1 such episode could not be drawn" in text(build_report(rows, META, "", lambda row: None))


def test_another_episode_is_shown_where_the_first_comes_out_differently() -> None:
    rows = [make_outcome(False, case=i) for i in range(3)]
    report = build_report(rows, META, "", lambda row: b"\x89PNG" if row.case == 1 else None)
    assert [f.caption for f in report.figures if f.name == "failure_lift"] == [
        "lift: vnb on case 1 (cube, nominal, seed 1)"
    ]


def test_a_sweep_alone_is_not_held_against_the_paper() -> None:
    titles = {section.title for section in build_report(RUNS["only a sweep"], META, "").sections}
    assert "Sweeps" in titles
    assert not {"Results by regime", "Against the paper", "Pairs"} & titles


def test_cases_that_served_for_tuning_are_called_so() -> None:
    assert "of the split calibration" in text(build_report([make_outcome(split="calibration")], META, ""))


def test_only_figures_of_an_earlier_report_are_removed(tmp_path: Path) -> None:
    write_files(build_report(RUNS["full"], META, ""), tmp_path)
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    write_files(build_report(RUNS["no probabilities"], META, ""), tmp_path)
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"mine.png", "regimes.png"} <= left
    assert "reliability.png" not in left and "reliability.pdf" not in left


def test_the_same_rows_give_the_same_page() -> None:
    first, second = (render_html(build_report(RUNS["one regime"], META, "")) for _ in range(2))
    assert first == second


def test_an_unwritable_folder_is_an_error_in_words(tmp_path: Path) -> None:
    from vnb_grasp.errors import ConfigError

    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out"):
        write_files(Report("t", ()), tmp_path / "file")


def test_numbers_in_words() -> None:
    assert (number(math.nan), number(1.234, 1, " N")) == ("-", "1.2 N")
    assert percent(Estimate(0.8, 0.49, 0.94)) == "80 % [49, 94]"
    assert percent(UNKNOWN) == points(UNKNOWN) == "-"
    assert points(Estimate(-0.1, -0.2, 0.0)) == "-10 [-20, +0]"


def test_the_papers_table_is_complete() -> None:
    assert set(TABLE_III) == {(m, r) for m in set(ALIASES.values()) for r in ("nominal", "wide", "bimodal")}
    vnb = paper_figures("vnb", "bimodal")
    assert vnb is not None and (vnb.robust, vnb.survival, vnb.calibration_error, vnb.seconds) == (0.38, 0.35, 0.11, 6.8)
    assert paper_figures("scripted", "nominal") is None


@pytest.mark.render
def test_an_episode_is_drawn_by_running_it_again() -> None:
    from vnb_benchmark.report.pictures import Renderer, why_not
    from vnb_benchmark.scenarios.case import Case, CaseSet
    from vnb_sim_bridge.scenario import draw_scenario

    if reason := why_not():
        pytest.skip(reason)
    cases = CaseSet("one", (Case(0, "test", draw_scenario("cube", "nominal", 1)),))
    row = make_outcome(False, method="noop", beta=math.nan, failure_mode="grasp")
    png = Renderer(cases)(row)
    assert png is not None and png.startswith(b"\x89PNG") and len(png) > 20_000
    assert Renderer(cases)(replace(row, failure_mode="slip")) is None
    assert Renderer(cases)(replace(row, method="no such method")) is None


def test_a_stores_report_is_written(tmp_path: Path) -> None:
    from vnb_benchmark.report.write import write_report
    from vnb_benchmark.running.store import Provenance, Store
    from vnb_benchmark.scenarios.case import Case, CaseSet
    from vnb_sim_bridge.scenario import draw_scenario

    cases = CaseSet("one", (Case(0, "test", draw_scenario("cube", "nominal", 1)),), seed=4)
    provenance = Provenance("./vnb bench", {"torch": "2.13.0"}, "abc123", "two cores", "2026-11-20")
    with Store.start(tmp_path / "results.sqlite", cases, provenance) as store:
        store.add(make_outcome(False))
    page = write_report(tmp_path, tmp_path / "report", "./vnb report", pictures=False)
    assert page == tmp_path / "report" / "report.html"
    assert "one, drawn with seed 4" in page.read_text()
