"""Seeds of splits are kept apart, and apart from those of the training data."""

from __future__ import annotations

from itertools import combinations

import pytest

from vnb_benchmark import collect
from vnb_benchmark.collect import CollectConfig
from vnb_benchmark.scenarios.case import SPLITS
from vnb_benchmark.scenarios.seeds import COLLECTED_FROM, HAND_PICKED, SEEDS_PER_SET, SPLIT_SEEDS, split_seeds
from vnb_grasp.errors import ConfigError
from vnb_sim_bridge.scenario import Scenario


def disjoint(a: range, b: range) -> bool:
    return a.stop <= b.start or b.stop <= a.start


def test_splits_are_disjoint() -> None:
    assert set(SPLIT_SEEDS) == set(SPLITS)
    ranges = [HAND_PICKED, *SPLIT_SEEDS.values()]
    assert all(len(seeds) > 0 and seeds.step == 1 for seeds in ranges)
    assert all(disjoint(a, b) for a, b in combinations(ranges, 2))


def test_no_split_has_a_seed_that_training_data_are_collected_with(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def draw(object_name: str, hand: str, seed: int) -> Scenario:
        drawn.append(seed)
        return Scenario(object_name, hand=hand)

    monkeypatch.setattr(collect, "draw_training_scenario", draw)
    monkeypatch.setattr(collect, "collect_episode", lambda bridge, scenario, steps: scenario)
    collect.collect_batch(CollectConfig(("cube",), episodes=3, seed=0), [0, 2])
    collect.collect_batch(CollectConfig(("cube",), episodes=3, seed=4), [1])
    assert drawn == [1_000_000, 1_000_002, 5_000_001]
    assert min(drawn) == COLLECTED_FROM
    assert all(seeds.stop <= COLLECTED_FROM for seeds in SPLIT_SEEDS.values())


@pytest.mark.parametrize("split", SPLITS)
def test_sets_of_other_seeds_get_others_and_longer_ones_begin_alike(split: str) -> None:
    most = len(SPLIT_SEEDS[split]) // SEEDS_PER_SET
    sets = [split_seeds(split, seed, SEEDS_PER_SET) for seed in (0, 1, most - 1)]
    assert all(disjoint(a, b) for a, b in combinations(sets, 2))
    assert all(seeds[0] in SPLIT_SEEDS[split] and seeds[-1] in SPLIT_SEEDS[split] for seeds in sets)
    assert list(split_seeds(split, 1, 8))[:3] == list(split_seeds(split, 1, 3))


@pytest.mark.parametrize(
    ("split", "seed", "count"), [("test", 300, 1), ("test", -1, 1), ("test", 0, 1001), ("exam", 0, 1)]
)
def test_what_there_are_no_seeds_for_is_refused(split: str, seed: int, count: int) -> None:
    with pytest.raises(ConfigError, match="expected"):
        split_seeds(split, seed, count)
