"""The paper's figures from trials and benchmark stores, one module each, by name."""

from vnb_bringup.figures import comparison, quality, regimes, tactile, wrench_space
from vnb_bringup.figures.sources import MissingSource, Painter, Sources, read_sources
from vnb_grasp.registry import Registry

FIGURES: Registry[Painter] = Registry("figure")
"""What draws a figure, by name; in the order of the paper."""

FIGURES.add("wrench_space", wrench_space.draw)
FIGURES.add("regimes", regimes.draw)
FIGURES.add("quality", quality.draw)
FIGURES.add("comparison", comparison.draw)
FIGURES.add("tactile", tactile.draw)

__all__ = ["FIGURES", "MissingSource", "Painter", "Sources", "read_sources"]
