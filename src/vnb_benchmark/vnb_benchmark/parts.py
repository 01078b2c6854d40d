"""Parts of a data set that is being collected: a run that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vnb_belief.training.dataset import DatasetError, Episode, EpisodeDataset

_IDENTITY = "collection.json"


@dataclass(frozen=True)
class Parts:
    """Finished batches in a folder, one file each.

    Attributes:
        folder: Where they lie.
        identity: What is collected; parts of anything else are refused.
    """

    folder: Path
    identity: Mapping[str, object]

    def open(self) -> dict[int, dict[int, Episode]]:
        """Return what is there: batch number to episodes by index; begins the folder where there is none.

        Raises:
            DatasetError: If the folder holds parts of another collection, or a damaged part.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / _IDENTITY
        expected = json.dumps(self.identity, sort_keys=True)
        if path.is_file() and path.read_text() != expected:
            raise DatasetError(
                f"{self.folder}: holds parts of another collection, got {path.read_text()}, expected {expected}; "
                "use the options of that run, or delete the folder"
            )
        if not path.is_file():
            path.write_text(expected)
        return {int(part.stem): self._read(part) for part in sorted(self.folder.glob("*.npz"))}

    def keep(self, batch: int, episodes: Mapping[int, Episode]) -> None:
        """Write the episodes of a batch atomically; a batch without episodes leaves nothing."""
        if episodes:
            indices = sorted(episodes)
            dataset = EpisodeDataset.from_episodes([episodes[i] for i in indices], json.dumps(indices))
            dataset.save(self.folder / f"{batch:06d}.npz")

    def _read(self, path: Path) -> dict[int, Episode]:
        dataset = EpisodeDataset.load(path)
        return {int(index): _episode(dataset, row) for row, index in enumerate(json.loads(dataset.command))}


def _episode(dataset: EpisodeDataset, row: int) -> Episode:
    steps = int(np.count_nonzero(dataset.mask[row]))
    return Episode(
        actions=dataset.actions[row, : steps - 1],
        observations=dataset.observations[row, :steps],
        theta=dataset.theta[row, :steps],
        valid=dataset.valid[row, :steps],
        object_name=str(dataset.object_names[row]),
        regime=str(dataset.regimes[row]),
    )
