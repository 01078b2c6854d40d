"""The benchmark's report: tables, figures, Markdown and HTML."""
