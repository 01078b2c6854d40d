"""Argument checks shared by the belief modules."""

from __future__ import annotations

from torch import Tensor, isfinite

from vnb_grasp.errors import NonFiniteError, ShapeError


def require_finite(value: Tensor, what: str) -> None:
    """Raise :class:`NonFiniteError` naming ``what`` and the first bad index if ``value`` holds NaN or infinity."""
    bad = ~isfinite(value)
    if bool(bad.any()):
        index = tuple(bad.nonzero()[0].tolist())
        raise NonFiniteError(
            f"{what}: got {value[index].item()} at index {index} ({int(bad.sum())} bad of {value.numel()}), "
            "expected finite numbers; look at the sensor or computation that produced it"
        )


def require_last_dim(value: Tensor, size: int, what: str) -> None:
    """Raise :class:`ShapeError` naming ``what`` unless the last dimension of ``value`` has ``size`` entries."""
    if value.ndim == 0 or value.shape[-1] != size:
        raise ShapeError(f"{what}: got shape {tuple(value.shape)}, expected (..., {size})")
