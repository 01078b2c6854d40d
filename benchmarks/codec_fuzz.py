"""Throw a million damaged frames at the codecs of hand and arm: nothing may crash, and no nonsense may pass.

Usage, with the packages on PYTHONPATH: ``python benchmarks/codec_fuzz.py [--frames 1000000] [--seed 0]``

Frames are made whole and then damaged (bits, bytes lost, bytes added, cut), or are noise from the start. What a codec
accepts must be what its protocol would have sent; every refusal must be the error that the drivers expect. Prints one
markdown row per codec; a broken promise ends the run with the frame.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from vnb_grasp.errors import DeviceFaultError, LinkError
from vnb_hardware.arm import cnde, legacy, text_frame, xml_codec
from vnb_hardware.arm.cnde import Frame, Kind, Subscription
from vnb_hardware.arm.state import PLAUSIBLE_ANGLE, state_from_values
from vnb_hardware.emulators.arm.model import ArmModel
from vnb_hardware.hand import frames
from vnb_hardware.hand.frames import RIGHT_ID, FrameType

Fuzz = Callable[[np.random.Generator], bool]
"""Makes one frame, decodes it, and returns whether it was accepted."""

SHARES = {"hand": 0.5, "arm, CNDE": 0.2, "arm, legacy": 0.05, "arm, XML-RPC": 0.15, "arm, text": 0.1}
_TYPES = [*FrameType, *frames.FINGER_TYPES]
_VALUES = ArmModel().values()
_SUBSCRIPTION = Subscription()
_STATE = _SUBSCRIPTION.pack(_VALUES)
_LEGACY = legacy.encode(_VALUES, 7)
(_LEGACY_STATE,) = legacy.Deframer().feed(_LEGACY)
_BODIES = [
    xml_codec.dump_response(0),
    xml_codec.dump_response([0, 1.5, "x", [True, -2]]),
    xml_codec.dump_fault("refused"),
    xml_codec.dump_call("MoveJ", [[0.0] * 6, 1]),
]
_TEXT = text_frame.encode(text_frame.TextFrame(9, 102, "Stop"))


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with one to three faults."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at, kind = int(rng.integers(0, len(out) + 1)), rng.integers(0, 4)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            del out[at : at + int(rng.integers(1, 5))]
        elif kind == 2:
            out[at:at] = rng.bytes(int(rng.integers(1, 5)))
        else:
            del out[at:]
    return bytes(out)


def fuzz_hand(rng: np.random.Generator) -> bool:
    """Random bytes behind a type that mostly exists: what is accepted encodes to itself."""
    data = rng.bytes(int(rng.integers(0, 9)))
    if data and rng.random() < 0.9:
        data = bytes([_TYPES[int(rng.integers(0, len(_TYPES)))]]) + data[1:]
    can_id = int(rng.choice((RIGHT_ID, RIGHT_ID + frames.REPLY_OFFSET, 0x28, 0x123)))
    reply = frames.decode(can_id, data, RIGHT_ID)
    if reply is None:
        return False
    expected = data
    if data[0] == FrameType.FAULT:
        expected = data[:1] + bytes(value & 0x7F for value in data[1:])  # the top bit is reserved
    require(can_id in (RIGHT_ID, RIGHT_ID + frames.REPLY_OFFSET) and frames.encode(reply) == expected, data)
    return True


def fuzz_cnde(rng: np.random.Generator) -> bool:
    """A damaged state between two whole ones: the first survives, and what passes is a measurement."""
    whole = cnde.encode(Frame(Kind.OUTPUT, _STATE, 1))
    bad = damaged(cnde.encode(Frame(Kind.OUTPUT, _STATE, 2)), rng)
    stream = whole + bad + cnde.encode(Frame(Kind.OUTPUT, _STATE, 3))
    deframer, found = cnde.Deframer(), []
    cut = int(rng.integers(0, len(stream)))
    for part in (stream[:cut], stream[cut:]):
        found += deframer.feed(part)
    require(bool(found) and found[0].data == _STATE and found[0].count == 1, bad)
    require(sum(len(frame.data) + cnde.OVERHEAD for frame in found) + deframer.rejected <= len(stream), bad)
    accepted = False
    for frame in found[1:]:
        if frame.kind is Kind.OUTPUT and len(frame.data) == _SUBSCRIPTION.size:
            try:
                state = state_from_values(_SUBSCRIPTION.unpack(frame.data), frame.count, 0.0)
            except LinkError:
                continue
            require(bool(np.isfinite(state.flange).all() and np.abs(state.position).max() <= PLAUSIBLE_ANGLE), bad)
            accepted = accepted or frame.count == 2
    return accepted


def fuzz_legacy(rng: np.random.Generator) -> bool:
    """A damaged state between two whole ones: both survive, and what passes was sent, with its sum.

    Where the damaged one passes by a sum that is right by chance, it may take the beginning of the next one with it.
    """
    bad = damaged(_LEGACY, rng)
    stream = _LEGACY + bad + _LEGACY
    found = legacy.Deframer().feed(stream + bytes(2 * legacy.FRAME_SIZE))
    require(len(found) >= 2 and found[0] == _LEGACY_STATE, bad)
    require(all(legacy.encode(values, count) in stream for count, values in found), bad)
    return len(found) > 2 or found[1] != _LEGACY_STATE


def fuzz_xml(rng: np.random.Generator) -> bool:
    """A damaged body is values that XML-RPC can carry, a refusal of the device or an error of the link."""
    body = damaged(_BODIES[int(rng.integers(0, len(_BODIES)))], rng)
    for load in (lambda: [xml_codec.load_response(body)], lambda: xml_codec.load_call(body)[1]):
        try:
            values = load()
        except (LinkError, DeviceFaultError):
            continue
        require(len(values) <= xml_codec.MAX_VALUES, body)
        require(xml_codec.load_call(xml_codec.dump_call("again", values)) == ("again", values), body)
        return True
    return False


def fuzz_text(rng: np.random.Generator) -> bool:
    """A damaged text frame is a frame whose length is right, or an error of the link."""
    data = damaged(_TEXT, rng)
    try:
        frame = text_frame.decode(data)
    except LinkError:
        return False
    require(frame.content.encode("ascii") in data, data)
    return True


FUZZ: dict[str, Fuzz] = {
    "hand": fuzz_hand,
    "arm, CNDE": fuzz_cnde,
    "arm, legacy": fuzz_legacy,
    "arm, XML-RPC": fuzz_xml,
    "arm, text": fuzz_text,
}


def require(promise: bool, data: bytes) -> None:
    """Raise :class:`AssertionError` with the frame if a promise is broken."""
    if not promise:
        raise AssertionError(f"accepted or lost what it must not: {data.hex()}")


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}\n\n| codec | damaged frames | accepted | CPU [s] |\n|---|---|---|---|")
    for number, (name, fuzz) in enumerate(FUZZ.items()):
        rng, begin = np.random.default_rng((arguments.seed, number)), time.process_time()
        count = round(arguments.frames * SHARES[name])
        accepted = sum(fuzz(rng) for _ in range(count))
        print(f"| {name} | {count} | {accepted} | {time.process_time() - begin:.0f} |", flush=True)


if __name__ == "__main__":
    main()
