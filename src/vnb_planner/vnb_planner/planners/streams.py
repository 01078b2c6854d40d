"""Random streams keyed by trial, purpose and step, so that the order of computations cannot change a draw."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def step_generator(seed: int, stream: str, step: int) -> torch.Generator:
    """Return a CPU generator for one step of the named stream of a trial."""
    key = np.random.SeedSequence([abs(seed), zlib.crc32(stream.encode()), step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) & (2**63 - 1))
