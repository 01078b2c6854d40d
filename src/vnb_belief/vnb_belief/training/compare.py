"""Every belief on the same held-out grasps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vnb_belief.beliefs import BELIEFS, Belief, BeliefContext
from vnb_belief.training.dataset import DatasetError, EpisodeDataset
from vnb_belief.training.evaluate import Evaluation, evaluate_beliefs
from vnb_grasp.description import load_hand, load_object

WITHOUT_CHECKPOINT = ("prior", "particle_filter")
HAND = "l6_v31"


def compare_beliefs(
    data: Path, checkpoints: Path, objects: Sequence[str], episodes: int, hand: str = HAND
) -> Evaluation:
    """Score all beliefs that need no checkpoint or have theirs in a folder.

    Args:
        data: Data set file (npz).
        checkpoints: Folder with ``learned.pt`` and the like, each named after its belief.
        objects: Objects whose grasps are scored; choose some that training did not see.
        episodes: Episodes of each object, spread evenly over the data set.
        hand: Hand variant that the data were collected with.

    Raises:
        DatasetError: If the data cannot be used or lack an object.
        CheckpointError: If a checkpoint cannot be used.
    """
    dataset = EpisodeDataset.load(data)
    chosen = []
    for name in objects:
        index = np.flatnonzero(dataset.object_names == name)
        if not len(index):
            known = ", ".join(sorted(set(dataset.object_names.tolist())))
            raise DatasetError(f"held-out object: got {name!r}, expected one of the data set: {known}")
        count = min(episodes, len(index))
        chosen.append(index[np.linspace(0, len(index) - 1, count).round().astype(np.int64)])
    names = [name for name in BELIEFS if name in WITHOUT_CHECKPOINT or (checkpoints / f"{name}.pt").is_file()]
    return evaluate_beliefs(
        {name: _maker(name, checkpoints, hand) for name in names}, dataset.select(np.concatenate(chosen))
    )


def _maker(name: str, checkpoints: Path, hand: str) -> Callable[[str], Belief]:
    checkpoint = None if name in WITHOUT_CHECKPOINT else checkpoints / f"{name}.pt"

    def make(object_name: str) -> Belief:
        return BELIEFS[name](BeliefContext(load_hand(hand), load_object(object_name), checkpoint))

    return make
