"""Beliefs by name. A new belief is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vnb_belief.beliefs.base import Belief
from vnb_belief.beliefs.learned import DEFAULT_CHECKPOINT, LearnedBelief
from vnb_belief.beliefs.prior import PriorBelief
from vnb_grasp.registry import Registry

BELIEFS: Registry[Callable[[Path | None], Belief]] = Registry("belief")
"""Factories by name; the argument is a checkpoint path (None: the shipped one), which not every belief needs."""

BELIEFS.add("learned", LearnedBelief.from_checkpoint)
BELIEFS.add("prior", lambda checkpoint: PriorBelief())

__all__ = ["BELIEFS", "DEFAULT_CHECKPOINT", "Belief", "LearnedBelief", "PriorBelief"]
