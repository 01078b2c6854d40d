"""Which seeds belong to which split: the one place that keeps what is learned from apart from what is reported."""

from __future__ import annotations

from vnb_grasp.errors import ConfigError

HAND_PICKED = range(100_000)
"""Seeds that people type, look at and develop with; no split uses them."""

SPLIT_SEEDS = {
    "test": range(100_000, 400_000),
    "calibration": range(400_000, 700_000),
    "train": range(700_000, 1_000_000),
}
"""Seeds of scenarios by split."""

COLLECTED_FROM = 1_000_000
"""Least seed of the scenarios that :mod:`vnb_benchmark.collect` gathers training data from."""

SEEDS_PER_SET = 1_000


def split_seeds(split: str, set_seed: int, count: int) -> range:
    """Return ``count`` scenario seeds of a split; sets of other seeds get others, a longer range begins with a shorter.

    Args:
        split: One of ``SPLIT_SEEDS``.
        set_seed: Seed of the scenario set.
        count: How many.

    Raises:
        ConfigError: If the split has no seeds for such a set.
    """
    if split not in SPLIT_SEEDS:
        raise ConfigError(f"split: got {split!r}, expected one of {', '.join(SPLIT_SEEDS)}")
    seeds = SPLIT_SEEDS[split]
    most = len(seeds) // SEEDS_PER_SET
    if not (0 <= set_seed < most and 0 <= count <= SEEDS_PER_SET):
        raise ConfigError(
            f"scenario set: got seed {set_seed} and {count} seeds per set, expected a seed in 0 to {most - 1} and at "
            f"most {SEEDS_PER_SET} seeds"
        )
    start = set_seed * SEEDS_PER_SET
    return seeds[start : start + count]
