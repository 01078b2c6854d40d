"""What a belief may be made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vnb_grasp.description import HandDescription, ObjectDescription
from vnb_grasp.errors import ConfigError


@dataclass(frozen=True, eq=False)
class BeliefContext:
    """What the factories of beliefs are given; each belief takes what it needs.

    Attributes:
        hand: The hand.
        obj: The object, or None as long as it is not identified. Beliefs that need its shape refuse to start without.
        checkpoint: Checkpoint of a learned belief; None takes the shipped one.
        seed: Seed of beliefs that draw. Every reset starts the same draws anew, so a trial does not depend on those
            before it.
    """

    hand: HandDescription
    obj: ObjectDescription | None = None
    checkpoint: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"belief seed: got {self.seed}, expected >= 0")
