"""A report as one self-contained HTML page: figures inlined, no scripts, no links to anywhere."""

from __future__ import annotations

import base64

import jinja2

from vnb_benchmark.report.content import Figure, Report


def render_html(report: Report) -> str:
    """Return the page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vnb_benchmark.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("benchmark.html").render(report=report, source=_source)


def _source(figure: Figure) -> str:
    """Return the figure as a data URL: lines as SVG, pictures of the simulator as PNG."""
    kind, ending = ("svg+xml", "svg") if "svg" in figure.files else ("png", "png")
    return f"data:image/{kind};base64,{base64.b64encode(figure.files[ending]).decode('ascii')}"
