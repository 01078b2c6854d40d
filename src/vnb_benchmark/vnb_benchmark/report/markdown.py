"""A report as Markdown; figures are links into the folder ``figures``."""

from __future__ import annotations

import re

from vnb_benchmark.report.content import Report, Section, Table


def render_markdown(report: Report) -> str:
    """Return the text of ``report.md``."""
    parts = [f"# {_plain(report.title)}", *(_plain(line) for line in report.lead)]
    for section in report.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    parts = [f"## {_plain(section.title)}", *(_plain(line) for line in section.text)]
    for table in section.tables:
        parts += [*([_plain(table.caption)] if table.caption else []), render_table(table)]
    for figure in section.figures:
        parts += [f"![{_plain(figure.caption)}](figures/{figure.name}.png)", f"*{_plain(figure.caption)}*"]
    for literal in section.literals:
        fence = "`" * (1 + max((len(run) for run in re.findall("`+", literal)), default=2))
        parts.append(f"{fence}text\n{literal}\n{fence}")
    return parts


def render_table(table: Table) -> str:
    """Return the lines of a table."""
    lines = [table.header, tuple("---" for _ in table.header), *table.rows]
    return "\n".join("| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """Return text in which names and messages of others mean nothing to Markdown, on one line."""
    return re.sub(r"([\\`*_<>#\[\]])", r"\\\1", " ".join(text.split()))
