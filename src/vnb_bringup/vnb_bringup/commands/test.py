"""Run the linter, the formatter check, the type checker and the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)
TIME_LIMIT = 4500.0
FAILED = 1
"""Exit status of pytest where tests ran and some failed."""


def _run(arguments: tuple[str, ...], root: Path) -> int:
    print("$", *arguments, flush=True)
    try:
        return subprocess.run([sys.executable, "-m", *arguments], cwd=root, timeout=TIME_LIMIT, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"vnb: error: {arguments[0]} did not end within {TIME_LIMIT:.0f} s", file=sys.stderr)
        return 1


def main(
    only_tests: Annotated[bool, typer.Option("--only-tests", help="Skip linter, formatter and type checker.")] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that tests run in, each file in one of them; 1 also allows --pdb.")
    ] = 2,
    pytest_arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to pytest, after `--`: files, -k, -m, ...")
    ] = None,
) -> None:
    """Run the linter, the formatter check, the type checker and the tests; exit 0 when all of them pass.

    Tests that fail beside others are run once more alone, and count by that: some of them watch real time, of which a
    busy machine has too little.
    """
    root = Path(os.environ.get("VNB_ROOT", "."))
    failed = [] if only_tests else [check for check in CHECKS if _run(check, root) != 0]
    if failed:
        print("vnb: error: failed:", ", ".join(" ".join(check) for check in failed), file=sys.stderr)
    arguments = tuple(pytest_arguments or [])
    beside = ("-n", str(workers), "--dist", "loadfile") if workers > 1 else ()
    status = _run(("pytest", *beside, *arguments), root)  # last, so that its summary line closes the output
    if status == FAILED and beside:
        print("vnb: tests failed beside others; they are run once more alone", flush=True)
        status = _run(("pytest", "--last-failed", *arguments), root)
    raise typer.Exit(1 if failed or status != 0 else 0)
