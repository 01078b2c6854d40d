from __future__ import annotations

import io

from rich.console import Console

from vnb_bringup.report.progress import LineProgress


def test_in_a_file_lines_say_how_far_it_is() -> None:
    file = io.StringIO()
    with LineProgress(Console(file=file), period=0.0) as bar:
        task = bar.add_task("benchmark", total=4, note="")
        bar.update(task, advance=1, note="robust: [vnb] 50%")
        bar.update(task, completed=3)
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("benchmark 1/4") and lines[0].endswith("robust: [vnb] 50%")
    assert lines[1].startswith("benchmark 3/4")


def test_lines_are_a_period_apart() -> None:
    file = io.StringIO()
    with LineProgress(Console(file=file), period=1e9) as bar:
        bar.update(bar.add_task("benchmark", total=4, note=""), advance=1)
        assert "1/4" not in file.getvalue()


def test_on_a_terminal_it_is_a_bar_only() -> None:
    file = io.StringIO()
    with LineProgress(Console(file=file, force_terminal=True), period=0.0) as bar:
        bar.update(bar.add_task("benchmark", total=4, note=""), advance=1)
    assert "benchmark 1/4" not in file.getvalue()
