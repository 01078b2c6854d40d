"""Colours of the page and the markers, the same in both; those of fingers can be told apart by colour-blind readers."""

from __future__ import annotations

RGB = tuple[int, int, int]

FINGER_COLOURS: tuple[RGB, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0))
"""Thumb to pinky: Okabe and Ito's palette."""

ARM: RGB = (214, 217, 222)
HAND: RGB = (72, 77, 86)
ESTIMATE: RGB = (0, 114, 178)
BELIEF: RGB = (126, 87, 194)
TRUTH: RGB = (90, 96, 105)
TABLE: RGB = (222, 216, 206)

CLOUDS: tuple[RGB, ...] = ((190, 110, 60), (60, 130, 150))
"""Of what the cameras see, one each."""

TONES = {"good": "#1a7f37", "fair": "#9a6700", "bad": "#b42318"}


def css(colour: RGB) -> str:
    """Return a colour as CSS takes it."""
    return f"#{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}"


def unit(colour: RGB) -> tuple[float, float, float]:
    """Return a colour with entries from 0 to 1."""
    return colour[0] / 255, colour[1] / 255, colour[2] / 255
