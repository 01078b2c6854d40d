"""When the messages of a bag are due again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vnb_bringup.bags.reader import BagMessage
from vnb_grasp.errors import ConfigError

SHORTEST_LAP = 0.1
"""Least wall-clock time of a lap [s]: the messages of one moment, looped, would take all the machine."""


@dataclass(frozen=True)
class PlayOptions:
    """How a bag is played.

    Attributes:
        rate: Factor on the recorded speed, > 0.
        start: Recorded time that is skipped at the beginning [s], >= 0.
        loop: Begin again at the end.
        clock: Frequency at which ``/clock`` tells the bag's time [Hz]; 0 = the recorded ``/clock`` is played, if any.

    Raises:
        ConfigError: If a number is out of range.
    """

    rate: float = 1.0
    start: float = 0.0
    loop: bool = False
    clock: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 < self.rate < math.inf and 0.0 <= self.start < math.inf and 0.0 <= self.clock < math.inf):
            raise ConfigError(
                f"play: got rate {self.rate}, start {self.start} s, clock {self.clock} Hz; expected a rate above 0 and "
                "the others 0 or more"
            )


@dataclass(frozen=True)
class Due:
    """Something to publish.

    Attributes:
        after: Wall-clock time since the beginning [s].
        time: The bag's time [ns].
        message: The message; None: only the clock.
    """

    after: float
    time: int
    message: BagMessage | None


def schedule(read: Callable[[], Iterable[BagMessage]], begin: int, options: PlayOptions) -> Iterator[Due]:
    """Yield what is due, in order; with ``loop`` without end.

    Args:
        read: Returns the messages from ``begin`` on, in the order of time.
        begin: The bag's time at which it starts [ns].
        options: How it is played.
    """
    offset = 0.0
    period = 1e9 / options.clock * options.rate if options.clock else math.inf
    while True:
        last, tick, empty = begin, float(begin) if options.clock else math.inf, True
        for message in read():
            while tick <= message.time:
                yield Due(offset + _seconds(tick - begin, options), int(tick), None)
                tick += period
            yield Due(offset + _seconds(message.time - begin, options), message.time, message)
            last, empty = message.time, False
        if not options.loop or empty:
            return
        offset += max(_seconds(last - begin, options), SHORTEST_LAP)


def _seconds(nanoseconds: float, options: PlayOptions) -> float:
    return nanoseconds / 1e9 / options.rate
