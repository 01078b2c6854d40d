"""Run some of the hardware graph's nodes as one process.

Everything is imported late, so that a signal that comes early ends the process quietly, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vnb_grasp.nodes.base import VnbNode

_INTERRUPTED = 130


def node_class(name: str) -> Callable[[], VnbNode]:
    """Return the class of a node; raises :class:`UnknownNameError`."""
    import importlib
    from functools import partial

    from vnb_bringup.hardware.roster import CAMERA_NODES, NODES
    from vnb_grasp.errors import UnknownNameError

    known = NODES | CAMERA_NODES
    if name not in known:
        raise UnknownNameError("node of the hardware graph", name, known)
    node: Callable[..., VnbNode] = getattr(importlib.import_module(known[name].module), known[name].node)
    return partial(node, node_name=name) if known[name].shared else node


def container_command(names: Sequence[str], parameters: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the command that runs nodes with their remappings and parameters."""
    from vnb_bringup.hardware.roster import CAMERA_NODES, NODES

    command = [sys.executable, "-m", "vnb_bringup.hardware.container", *names, "--ros-args"]
    for name in names:
        for topic, other in (NODES | CAMERA_NODES)[name].remappings.items():
            command += ["-r", f"{name}:{topic}:={other}"]
        for key, value in parameters.get(name, {}).items():
            if value == "":
                continue  # rcl takes no empty value; it is every such parameter's default
            text = str(value).lower() if isinstance(value, bool) else str(value)
            command += ["-p", f"{name}:{key}:={text}"]
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the nodes that are named before ``--ros-args``."""
    arguments = list(sys.argv if arguments is None else arguments)
    names = list(takewhile(lambda argument: argument != "--ros-args", arguments[1:]))
    try:
        from vnb_grasp.nodes.run import run_nodes

        return run_nodes([node_class(name) for name in names], arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED


def run_in_child(names: Sequence[str], parameters: Mapping[str, Mapping[str, Any]], domain: int) -> None:
    """Run nodes in a process of :mod:`.children` until SIGINT, or until the process that wants them has died."""
    import os
    import signal
    import threading

    # Whoever is started in the background has SIGINT ignored: one that comes before the nodes' own would be lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["ROS_DOMAIN_ID"] = str(domain)
    main(container_command(names, parameters)[2:])


def _end_with_parent() -> None:
    """Interrupt this process when its parent dies, even if that could not say goodbye."""
    import multiprocessing
    import os
    import signal
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
