"""``./vnb``: set the checkout up as far as needed, then become the command."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from . import catalogue, ros, system
from .child import Progress
from .environment import command_environment
from .errors import SetupError, is_disk_full
from .stages import Setup, Stage
from .state import State, exclusive

ROOT = Path(__file__).resolve().parents[4]
INTERRUPTED = 130


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the set-up options (with ``command``) and the command's own arguments."""
    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    options.add_argument("--yes", action="store_true")
    options.add_argument("--gpu", dest="torch", action="store_const", const="gpu")
    options.add_argument("--cpu", dest="torch", action="store_const", const="cpu")
    options.add_argument("--torch-index", default=os.environ.get("VNB_TORCH_INDEX", ""))
    parser = argparse.ArgumentParser(prog="vnb", usage=catalogue.usage(), parents=[options], allow_abbrev=False)
    parser.add_argument("command")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    rest: list[str] = chosen.rest
    before = len(arguments) - len(rest) - 1
    if before >= 0 and arguments[before] == "--":  # some versions of argparse drop it, but it is the command's
        rest = ["--", *rest]
    if chosen.command == "setup":  # its options may also follow it
        setup = argparse.ArgumentParser(prog="vnb setup", usage=catalogue.usage(), parents=[options])
        chosen = setup.parse_args(rest, argparse.Namespace(**vars(chosen)))
        rest = []
    return chosen, rest


def prepare(setup: Setup, tests: bool, assume_yes: bool) -> bool:
    """Run the stages that are not done; return whether there were any.

    Args:
        setup: The set-up.
        tests: Whether the tools of ``./vnb test`` are wanted.
        assume_yes: Whether system packages may be installed unasked.

    Raises:
        SetupError: If set-up cannot go on.
    """
    if setup.state.running is None and all(stage.is_done(setup.state) for stage in setup.stages(tests)):
        return False
    setup.log.parent.mkdir(exist_ok=True)
    with exclusive(
        setup.log.parent / "lock", on_wait=lambda: say("another ./vnb sets this checkout up; waiting")
    ) as lock:
        setup.lock = lock
        setup.state = State.load(setup.state.path)
        if setup.state.running not in (None, "messages"):  # .venv was being written and cannot be trusted
            say(f"an earlier set-up was interrupted ({setup.state.running}); starting from a new .venv")
            setup.state.stamps.clear()
        system.require_platform()
        allowed = assume_yes or os.geteuid() == 0
        system.require_system(install_system_packages, allowed, system.missing_packages())
        run_stages(setup, [stage for stage in setup.stages(tests) if not stage.is_done(setup.state)])
    return True


def run_stages(setup: Setup, stages: list[Stage]) -> None:
    """Run ``stages`` in order, each under its stamp."""
    setup.progress = Progress(len(stages))
    setup.state.settings.update(torch=setup.torch, torch_index=setup.torch_index)
    for stage in stages:
        setup.state.begin(stage.name)
        setup.progress.start(stage.title)
        try:
            stage.run()
        except BaseException:
            setup.progress.broken()
            raise
        setup.state.finish(stage.name, stage.stamp)
        setup.progress.done()
        if stage.name == "packages" and (note := setup.torch_note()):
            say(note)


def install_system_packages(line: list[str]) -> None:
    """Run one apt command with the terminal's input, as sudo may ask for a password."""
    say("$ " + " ".join(line))
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    status = subprocess.run(line, env=env, stdout=sys.stderr, check=False).returncode
    if status != 0:
        raise SetupError(
            f"`{' '.join(line)}` failed with status {status}. Install these packages, then run this again."
        )


def say(text: str) -> None:
    """Write a line for the user; standard output stays the command's own."""
    print(f"vnb: {text}", file=sys.stderr, flush=True)


def _on_terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def start(arguments: Sequence[str]) -> int:  # noqa: RET503 (execve does not return)
    """Do what ``./vnb ARGUMENTS`` asks for; does not return when that is a command that runs.

    Raises:
        SetupError: If set-up cannot go on.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(catalogue.usage())
        return 0
    options, rest = parse(arguments)
    known = catalogue.commands()
    if options.command not in known:
        raise SetupError(f"unknown command {options.command!r}, expected one of: {', '.join(known)}")
    state = State.load(ROOT / ".vnb-setup" / "state.json")
    torch = options.torch or state.settings.get("torch", "cpu")
    index = options.torch_index or state.settings.get("torch_index", "")
    setup = Setup(ROOT, ros.choose_ros(os.environ), torch, index, dict(os.environ), state)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_terminate)
    prepare(setup, tests=options.command == "test", assume_yes=options.yes)
    if options.command == "setup":
        size = shutil.disk_usage(ROOT).free / system.GIGABYTE
        say(f"set up in {setup.venv}: Python {sys.version.split()[0]}, {setup.ros}, torch {torch}; {size:.0f} GB free")
        return 0
    env = command_environment(ROOT, setup.ros, os.environ)
    os.execve(setup.python, [str(setup.python), "-m", "vnb_bringup.cli", options.command, *rest], env)


def main(arguments: Sequence[str]) -> int:
    """Run :func:`start` and turn what goes wrong into a message and an exit status."""
    try:
        return start(arguments)
    except SetupError as error:
        say(f"error: {error}")
    except KeyboardInterrupt:
        say("interrupted; the same command resumes")
        return INTERRUPTED
    except OSError as error:
        if not is_disk_full(error):
            say(f"error: {error}")
        else:
            say(f"error: the disk is full ({error}). Make room and run the same command again; it resumes.")
    return 1
