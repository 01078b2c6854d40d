"""Write the report of a store: Markdown, one HTML page, and the figures."""

from __future__ import annotations

import re
from pathlib import Path

from vnb_benchmark.report.content import Report
from vnb_benchmark.report.html import render_html
from vnb_benchmark.report.markdown import render_markdown
from vnb_benchmark.report.sections import Render, build_report
from vnb_grasp.errors import ConfigError


def write_report(
    store_path: Path, out: Path, command: str, *, pictures: bool = True, render: Render | None = None
) -> Path:
    """Write ``report.md``, ``report.html`` and ``figures/`` from a store; return the path of the page.

    Args:
        store_path: File or folder of the store.
        out: Folder.
        command: Command line that makes this report.
        pictures: Draw one episode of each failure mode, by running it again.
        render: Draws an episode; None takes the simulator's, if this machine can draw.

    Raises:
        ConfigError: If there is no such store or the folder cannot be written to.
    """
    from vnb_benchmark.running.store import Store

    with Store.open(store_path) as store:
        rows, meta, cases = store.outcomes(), store.meta, store.cases()
    reason = ""
    if pictures and render is None:
        # The simulator is only loaded where something is drawn.
        from vnb_benchmark.report.pictures import Renderer, why_not

        reason = why_not()
        render = None if reason else Renderer(cases, meta["pose_source"])
    return write_files(build_report(rows, meta, command, render if pictures else None, reason), out)


def write_files(report: Report, out: Path) -> Path:
    """Write a report's files; return the path of the page.

    Figures that an earlier report in the folder shows are removed, and no other file is.
    """
    figures, text = out / "figures", out / "report.md"
    try:
        figures.mkdir(parents=True, exist_ok=True)
        for name in re.findall(r"\(figures/(\w+)\.png\)", text.read_text(encoding="utf-8") if text.exists() else ""):
            for ending in ("png", "pdf"):
                (figures / f"{name}.{ending}").unlink(missing_ok=True)
        for figure in report.figures:
            for ending in ("png", "pdf"):
                if ending in figure.files:
                    (figures / f"{figure.name}.{ending}").write_bytes(figure.files[ending])
        text.write_text(render_markdown(report), encoding="utf-8")
        page = out / "report.html"
        page.write_text(render_html(report), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"report folder {out}: {error.strerror}; give another one with --out") from error
    return page
