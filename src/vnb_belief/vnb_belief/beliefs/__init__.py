"""Beliefs by name. A new belief is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable

from vnb_belief.beliefs.base import Belief
from vnb_belief.beliefs.context import BeliefContext
from vnb_belief.beliefs.learned import DEFAULT_CHECKPOINT, LearnedBelief
from vnb_belief.beliefs.particle_filter import ParticleFilterBelief
from vnb_belief.beliefs.prior import PriorBelief
from vnb_grasp.registry import Registry

BELIEFS: Registry[Callable[[BeliefContext], Belief]] = Registry("belief")
"""Factories by name."""


def _flow(context: BeliefContext) -> Belief:
    from vnb_belief.beliefs.flow import FlowBelief  # its library is loaded only where it is used

    return FlowBelief.from_checkpoint(context.checkpoint, context.seed)


def _implicit(context: BeliefContext) -> Belief:
    from vnb_belief.beliefs.implicit import ImplicitBelief

    return ImplicitBelief.from_checkpoint(context.checkpoint, context.seed)


BELIEFS.add("learned", lambda context: LearnedBelief.from_checkpoint(context.checkpoint))
BELIEFS.add("prior", lambda context: PriorBelief())
BELIEFS.add("particle_filter", lambda context: ParticleFilterBelief(context.hand, context.obj, seed=context.seed))
BELIEFS.add("flow", _flow)
BELIEFS.add("implicit", _implicit)

__all__ = [
    "BELIEFS",
    "DEFAULT_CHECKPOINT",
    "Belief",
    "BeliefContext",
    "LearnedBelief",
    "ParticleFilterBelief",
    "PriorBelief",
]
