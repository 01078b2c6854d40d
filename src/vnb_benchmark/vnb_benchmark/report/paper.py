"""The paper's Table III as data. Its own simulator on an RTX 4070: shown beside ours, not mixed with it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class PaperFigures:
    """Robust success and survival as shares, calibration error (NaN: the paper gives none), seconds per episode."""

    robust: float
    survival: float
    calibration_error: float
    seconds: float


ALIASES = {
    "vnb": "VNB",
    "gauss_cvar": "Gauss-CVaR",
    "cem": "CEM",
    "pf": "PF",
}
"""The paper's name of each of our methods that it has too."""

TABLE_III = {
    ("PF", "nominal"): PaperFigures(0.67, 0.57, math.nan, 49.6),
    ("PF", "wide"): PaperFigures(0.39, 0.31, math.nan, 32.6),
    ("PF", "bimodal"): PaperFigures(0.28, 0.29, math.nan, 41.7),
    ("Gauss-CVaR", "nominal"): PaperFigures(0.75, 0.69, 0.09, 3.2),
    ("Gauss-CVaR", "wide"): PaperFigures(0.63, 0.56, 0.13, 3.4),
    ("Gauss-CVaR", "bimodal"): PaperFigures(0.42, 0.36, 0.07, 4.3),
    ("CEM", "nominal"): PaperFigures(0.63, 0.55, 0.55, 5.5),
    ("CEM", "wide"): PaperFigures(0.67, 0.59, 0.58, 5.4),
    ("CEM", "bimodal"): PaperFigures(0.33, 0.30, 0.29, 5.1),
    ("VNB", "nominal"): PaperFigures(0.79, 0.73, 0.09, 8.5),
    ("VNB", "wide"): PaperFigures(0.67, 0.58, 0.14, 7.1),
    ("VNB", "bimodal"): PaperFigures(0.38, 0.35, 0.11, 6.8),
}


def paper_figures(method: str, regime: str) -> PaperFigures | None:
    """Return the paper's figures for one of our methods; None if it has none."""
    return TABLE_III.get((ALIASES.get(method, method), regime))
