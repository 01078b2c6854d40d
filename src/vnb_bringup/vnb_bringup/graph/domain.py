"""A ROS domain of one's own, so that graphs that run side by side on a machine do not hear each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vnb_grasp.errors import ConfigError

_DOMAINS = 100
"""Domains 1 to 100: ports of higher ones collide with those that the system hands out."""


@contextmanager
def own_domain() -> Iterator[int]:
    """Yield ``ROS_DOMAIN_ID`` if it is set, otherwise a domain that no other graph of this user has claimed.

    Raises:
        ConfigError: If the variable is no domain, or all domains are claimed.
    """
    given = os.environ.get("ROS_DOMAIN_ID", "")
    if given:
        if not given.isdecimal() or int(given) > 232:
            raise ConfigError(f"ROS_DOMAIN_ID: got {given!r}, expected a number from 0 to 232")
        yield int(given)
        return
    folder = Path(tempfile.gettempdir())
    for i in range(_DOMAINS):
        domain = (os.getpid() + i) % _DOMAINS + 1
        path = folder / f"vnb-domain-{os.getuid()}-{domain}.lock"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield domain
            return
    raise ConfigError(f"all {_DOMAINS} ROS domains are claimed by running graphs; end some, or set ROS_DOMAIN_ID")
