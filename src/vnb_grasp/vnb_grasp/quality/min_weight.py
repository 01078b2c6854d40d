"""Min-weight margin: how evenly the cone edges can share an equilibrium; a linear program.

Source: Li, Culbertson, Burdick, Ames, "FRoGGeR: Fast robust grasp generation via the min-weight metric" (IROS 2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from torch import Tensor

from vnb_grasp.contacts.grasp_map import edge_wrenches
from vnb_grasp.quality.ferrari_canny import checked_wrenches, spans

MARGIN_TOLERANCE = 1e-9
"""Margins below this are zero within the precision of the LP."""


def min_weight(wrenches: NDArray[np.float64]) -> float:
    """Return the largest smallest weight of a convex combination of wrenches (M, d) that is zero, times M.

    The margin is in [0, 1]: 1 if equal weights balance, positive if and only if the origin is inside the hull (force
    closure), 0 if no combination balances, or only one that leaves an edge out, or if the hull has no volume.

    Raises:
        ShapeError: Not a matrix.
        NonFiniteError: An entry is NaN or infinite.
    """
    wrenches = checked_wrenches(wrenches)
    if not spans(wrenches):
        return 0.0
    count, dimension = wrenches.shape
    # Weights are margin / M + slack with slack >= 0; the last variable is the margin.
    balance = np.hstack((wrenches.T, wrenches.mean(0)[:, None]))
    total = np.ones((1, count + 1))
    cost = np.append(np.zeros(count), -1.0)
    goal = np.append(np.zeros(dimension), 1.0)
    result = linprog(cost, A_eq=np.vstack((balance, total)), b_eq=goal, bounds=(0, None), method="highs")
    margin = -result.fun if result.success else 0.0
    return float(min(margin, 1.0)) if margin > MARGIN_TOLERANCE else 0.0


def grasp_min_weight(
    points: Tensor, normals: Tensor, mu: Tensor | float, centre: Tensor, torque_length: float, edges: int = 8
) -> float:
    """Return the min-weight margin of one grasp, 0 with fewer than two contacts.

    Args:
        points: Contact points (n, 3) [m].
        normals: Unit contact normals into the object (n, 3).
        mu: Friction coefficient, a number or (n,).
        centre: Reference point of the torque (3,) [m].
        torque_length: Length [m] by which torques are divided.
        edges: Edges of each linearised friction cone.

    Raises:
        ShapeError, NonFiniteError, ConfigError: As in :func:`min_weight` and :func:`edge_wrenches`.
    """
    if len(points) < 2:
        return 0.0
    wrenches = edge_wrenches(points.double(), normals.double(), mu, centre.double(), torque_length, edges)
    return min_weight(wrenches.detach().reshape(-1, 6).cpu().numpy())
