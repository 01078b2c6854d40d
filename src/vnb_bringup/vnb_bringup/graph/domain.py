"""A ROS domain of one's own, so that graphs that run side by side on a machine do not hear each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vnb_grasp.errors import ConfigError

_DOMAINS = 90
"""Domains 1 to 90: those up to 101 are left to tests of single nodes, which run beside graphs; ports of still higher
ones collide with those that the system hands out."""


@contextmanager
def own_domain() -> Iterator[int]:
    """Yield ``ROS_DOMAIN_ID`` if it is set, otherwise a domain that no other graph of this user has claimed.

    Raises:
        ConfigError: If the variable is no domain, or all domains are claimed.
    """
    given = given_domain()
    if given is not None:
        yield given
        return
    for i in range(_DOMAINS):
        domain = (os.getpid() + i) % _DOMAINS + 1
        with _lock_file(domain).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield domain
            return
    raise ConfigError(f"all {_DOMAINS} ROS domains are claimed by running graphs; end some, or set ROS_DOMAIN_ID")


def given_domain() -> int | None:
    """Return ``ROS_DOMAIN_ID``; None if it is not set.

    Raises:
        ConfigError: If the variable is no domain.
    """
    given = os.environ.get("ROS_DOMAIN_ID", "")
    if not given:
        return None
    if not given.isdecimal() or int(given) > 232:
        raise ConfigError(f"ROS_DOMAIN_ID: got {given!r}, expected a number from 0 to 232")
    return int(given)


def claimed_domains() -> list[int]:
    """Return the domains that graphs of this user have claimed and not yet left, the latest claim first."""
    claimed = []
    for domain in range(1, _DOMAINS + 1):
        path = _lock_file(domain)
        try:
            with path.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            continue
        except OSError:  # held by its graph
            claimed.append((path.stat().st_mtime, domain))
    return [domain for _, domain in sorted(claimed, reverse=True)]


def _lock_file(domain: int) -> Path:
    return Path(tempfile.gettempdir()) / f"vnb-domain-{os.getuid()}-{domain}.lock"
