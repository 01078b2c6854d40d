"""The commands of ``./vnb``, read from the files in ``commands/`` without importing them."""

from __future__ import annotations

import ast
from pathlib import Path

COMMANDS_DIR = Path(__file__).resolve().parent.parent / "commands"
SETUP_SUMMARY = "Set this checkout up (every command does so on first use)."

USAGE = """\
usage: ./vnb [--yes] [--gpu | --cpu] [--torch-index URL] COMMAND [ARGUMENTS]

commands:
{commands}

options:
  -h, --help         show this and exit; `./vnb COMMAND --help` shows a command's own options
  --yes              install missing system packages without asking (always so when run as root)
  --gpu, --cpu       build of torch to set up; remembered, CPU at first
  --torch-index URL  further package index to look for torch in (default: $VNB_TORCH_INDEX)

The first command sets the checkout up in .venv/ and install/, which takes minutes; later ones start at once.
$VNB_PYTHON names the Python to use (3.11 to 3.13)."""


def commands(folder: Path = COMMANDS_DIR) -> dict[str, str]:
    """Return the first docstring line of every command by its name, ``setup`` first.

    Args:
        folder: Folder with one module per command.
    """
    found = {"setup": SETUP_SUMMARY}
    for path in sorted(folder.glob("*.py")):
        if not path.stem.startswith("_"):
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found[path.stem.replace("_", "-")] = docstring.partition("\n")[0]
    return found


def usage() -> str:
    """Return the text of ``./vnb --help``."""
    table = commands()
    width = max(map(len, table))
    return USAGE.format(commands="\n".join(f"  {name:<{width}}  {summary}" for name, summary in table.items()))
