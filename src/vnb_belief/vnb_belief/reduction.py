"""Fewer components for the same mixture: deterministic clustering, then moment matching.

For planners that loop over components and meet a belief of many, as a particle filter's.

    [Runnalls2007] A. Runnalls, Kullback-Leibler approach to Gaussian mixture reduction, IEEE Transactions on Aerospace
        and Electronic Systems 43(3): merging by moments keeps mean and covariance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError, ShapeError

_ROUNDS = 20
_LEAST_STD = 1e-9


def reduce_mixture(mixture: Mixture, num_components: int) -> Mixture:
    """Return a mixture of at most K diagonal components with the mean and variance of every latent entry preserved.

    Components are split along the entry of largest between-component spread (in units of the mixture's standard
    deviation) at the weighted median, the heaviest spread first, then reassigned by nearest mean (k-means); each group
    becomes one component of its moments. Nothing is drawn: the same mixture gives the same result. Covariances
    *between* entries are kept only as far as the groups' means carry them, because components are diagonal.

    Args:
        mixture: One mixture, logits ``(M,)``.
        num_components: Components K that are wanted; a mixture with no more is returned as it is.

    Raises:
        ConfigError: If ``num_components`` is below 1.
        ShapeError: If the mixture is batched.
    """
    if num_components < 1:
        raise ConfigError(f"components to reduce to: got {num_components}, expected >= 1")
    if mixture.logits.ndim != 1:
        raise ShapeError(f"mixture to reduce: got logits {tuple(mixture.logits.shape)}, expected one mixture, (M,)")
    if mixture.num_components <= num_components:
        return mixture
    weights = mixture.weights
    mean = mixture.mean()
    variance = weights @ (mixture.stds.square() + (mixture.means - mean).square())
    points = (mixture.means - mean) / variance.sqrt().clamp(min=_LEAST_STD)
    labels = _split(points, weights, num_components)
    for _ in range(_ROUNDS):
        centres = _centres(points, weights, labels, num_components)
        nearest = torch.cdist(points, centres).argmin(dim=1)
        if torch.equal(nearest, labels) or len(nearest.unique()) < len(labels.unique()):
            break
        labels = nearest
    return merge_components(mixture, labels)


def merge_components(mixture: Mixture, labels: Tensor) -> Mixture:
    """Return one component per distinct label ``(M,)``, each with weight, mean and variances of its group."""
    groups = (labels[:, None] == labels.unique()).to(mixture.means)  # (M, K)
    shares = mixture.logits.log_softmax(dim=-1)[:, None] + groups.log()
    logits = torch.logsumexp(shares, dim=0)
    inner = (shares - logits).exp().T  # (K, M), rows sum to one
    means = inner @ mixture.means
    offset = mixture.means - means[:, None]
    variances = (inner[..., None] * (mixture.stds.square() + offset.square())).sum(dim=1)
    return Mixture(logits, means, 0.5 * variances.log())


def _split(points: Tensor, weights: Tensor, count: int) -> Tensor:
    """Return group labels ``(M,)`` after ``count - 1`` splits at weighted medians."""
    labels = torch.zeros(len(points), dtype=torch.long)
    for new in range(1, count):
        best, where, entry = -1.0, 0, 0
        for label in range(new):
            member = labels == label
            if int(member.sum()) < 2:
                continue
            share = weights[member]
            part = points[member]
            total = share.sum().clamp(min=torch.finfo(share.dtype).tiny)
            centre = (share @ part) / total
            spread = share @ (part - centre).square()
            value, index = spread.max(dim=0)
            if float(value) > best:
                best, where, entry = float(value), label, int(index)
        member = (labels == where).nonzero()[:, 0]
        order = member[points[member, entry].argsort(stable=True)]
        cumulative = weights[order].cumsum(dim=0)
        cut = int((cumulative <= 0.5 * cumulative[-1]).sum())
        cut = min(max(cut, 1), len(order) - 1)
        labels[order[cut:]] = new
    return labels


def _centres(points: Tensor, weights: Tensor, labels: Tensor, count: int) -> Tensor:
    """Return the weighted mean of each group ``(K, D)``; groups of no weight take their plain mean."""
    groups = torch.nn.functional.one_hot(labels, count).to(points)
    shares = groups * weights.clamp(min=torch.finfo(weights.dtype).tiny)[:, None]
    return (shares.T @ points) / shares.sum(dim=0)[:, None]
