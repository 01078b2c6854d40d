"""The ``vnb`` command line: one file per command in ``commands/``, imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

from vnb_bringup.bootstrap import catalogue
from vnb_grasp.errors import VnbError

USAGE_STATUS = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command name and its arguments; those of the process if None.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    known = [name for name in catalogue.commands() if name != "setup"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(catalogue.usage())
        return 0
    if arguments[0] not in known:
        print(f"vnb: error: unknown command {arguments[0]!r}, expected one of: {', '.join(known)}", file=sys.stderr)
        return USAGE_STATUS
    module = importlib.import_module(f"vnb_bringup.commands.{arguments[0].replace('-', '_')}")
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)  # makes typer keep the command's name, although there is only one
    app.command(arguments[0])(module.main)
    try:
        app(arguments, prog_name="vnb")
    except VnbError as error:
        print(f"vnb: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
