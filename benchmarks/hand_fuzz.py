"""Throw malformed, truncated, foreign and look-alike frames at the hand driver's decoder and core.

Usage, with the packages on PYTHONPATH: ``python benchmarks/hand_fuzz.py [--frames 1000000] [--seed 0]``

What may be believed is decided a second time here, by rules written down independently. Exits with 1 at
the first frame on which the two disagree, or that raises.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field

import numpy as np

from vnb_hardware.hand import frames
from vnb_hardware.hand.core import HandCore
from vnb_hardware.hand.settings import HandSettings

SIX_VALUED = (0x01, 0x02, 0x33, 0x35, 0x36)
PADS = (0xB1, 0xB2, 0xB3, 0xB4, 0xB5)
TYPES = (*SIX_VALUED, *PADS, 0x05, 0x64, 0xC0, 0xC1, 0xC2, 0xC4, 0x83)
IDS = (0x27, 0x2F)


@dataclass
class Oracle:
    """What a driver of the right hand may believe after the frames so far."""

    position: tuple[int, ...] | None = None
    rows: dict[tuple[int, int], bytes] = field(default_factory=dict)
    believed: int = 0

    def take(self, can_id: int, data: bytes) -> bool:
        """Note a frame; return whether it is a reply."""
        good = can_id in IDS and self._is_reply(data)
        self.believed += good
        if good and data[0] == 0x01:
            self.position = tuple(data[1:])
        elif good and data[0] in PADS:
            self.rows[data[0], data[1] >> 4] = data[2:]
        return good

    @staticmethod
    def _is_reply(data: bytes) -> bool:
        size, kind = len(data), data[0] if data else -1
        if kind in SIX_VALUED:
            return size == 7
        if kind in PADS:
            return size == 8 and data[1] & 0x0F == 0 and data[1] >> 4 < 12
        if kind == 0xC0:
            return size == 8 and data[1] < 4
        if kind == 0xC1:
            return size == 5 and data[1] == 1
        return kind in (0xC2, 0xC4) and size == 4


def draw(rng: np.random.Generator) -> tuple[int, bytes]:
    """Return a frame: half of them near-misses of good ones, the rest random in type, length and content."""
    can_id = int(rng.choice(IDS)) if rng.random() < 0.9 else int(rng.integers(0, 0x800))
    size = int(rng.integers(0, 9))
    content = bytearray(rng.integers(0, 256, size, dtype=np.uint8).tobytes())
    if content and rng.random() < 0.9:
        content[0] = int(rng.choice(TYPES))
    if rng.random() < 0.5:
        kind = int(rng.choice(SIX_VALUED + PADS))
        size = 7 if kind in SIX_VALUED else 8
        content = bytearray([kind]) + bytearray(rng.integers(0, 256, size - 1, dtype=np.uint8).tobytes())
        if kind in PADS and rng.random() < 0.8:
            content[1] &= 0xF0
        shape = rng.random()
        if shape < 0.15:
            del content[int(rng.integers(1, size)) :]
        elif shape < 0.3 and size < 8:
            content = bytearray([kind]) + bytearray(7)  # the look-alike: eight bytes, zeros
    return can_id, bytes(content)


def check(core: HandCore, oracle: Oracle, can_id: int, data: bytes, good: bool) -> str:
    """Return on what decoder and oracle disagree; empty if on nothing."""
    reply = frames.decode(can_id, data, 0x27)
    if (reply is not None) != good:
        return f"believed: {reply}, expected {'a reply' if good else 'nothing'}"
    if core.raw != oracle.position:
        return f"position {core.raw}, expected {oracle.position}"
    return ""


def main() -> int:
    """Run and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    core, oracle = HandCore(HandSettings(tactile_assembly="latest")), Oracle()
    start = time.perf_counter()
    for number in range(given.frames):
        can_id, data = draw(rng)
        good = oracle.take(can_id, data)
        core.receive(can_id, data, number * 1e-4)
        problem = check(core, oracle, can_id, data, good)
        if problem:
            print(f"frame {number} of seed {given.seed}, {can_id:#x} {data.hex(' ')}: {problem}")
            return 1
    state = core.state(given.frames * 1e-4)
    for (kind, row), content in oracle.rows.items():
        if state.tactile[kind - 0xB1, row].tobytes() != content:
            print(f"pad {kind:#x}, row {row}: {state.tactile[kind - 0xB1, row].tobytes().hex()}, not {content.hex()}")
            return 1
    print(
        f"{given.frames} frames, seed {given.seed}: {oracle.believed} believed, {state.foreign} not, "
        f"{time.perf_counter() - start:.0f} s; decoder and oracle agree"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
