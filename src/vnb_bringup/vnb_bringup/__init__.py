"""Command line, one-process composition and launch.

Keep this module free of imports: set-up runs before any package is installed.
"""
