"""Processes that start at once: what they import is imported only once, by the server that they are forked from."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from typing import Any

from vnb_bringup.hardware.roster import CAMERA_NODES, NODES

_STOP_TIME = 15.0


def start(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Start a process that calls a function of some module."""
    context = multiprocessing.get_context("forkserver")
    modules = {node.module for node in (NODES | CAMERA_NODES).values()}
    context.set_forkserver_preload([*sorted(modules), "vnb_bringup.hardware.robot_process"])
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def stop(processes: Sequence[ForkServerProcess]) -> None:
    """Interrupt processes, and kill those that do not end in time."""
    for process in processes:
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join(_STOP_TIME)
        if process.is_alive():
            process.kill()
            process.join()
