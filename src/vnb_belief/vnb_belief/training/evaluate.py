"""How well a belief knows the truth, against rivals that do not learn from the grasp.

Scores are negative log-likelihoods [nats] of the true latent entries under the *marginals* of the belief:

- ``mu``, ``kappa``: the five contacts share one true value, which a diagonal component can only hold five times. Each
  contact's marginal is scored on its own and the five scores are averaged, so that no belief is paid or charged five
  times for one unknown. Density is over log mu and log kappa.
- ``pose``: the joint marginal of the six tangent entries.
- ``theta``: the joint of all valid entries.

The same scores apply to every rival. Calibration of mu is reported beside them: probability integral transforms
should be uniform, central 50 % and 90 % intervals should hold the truth that often.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from vnb_belief import layout
from vnb_belief.dynamics import BeliefDynamics
from vnb_belief.mixture import Mixture
from vnb_belief.prior import prior_mixture
from vnb_belief.training.sequences import Sequences

QUANTITIES = ("mu", "kappa", "pose", "theta")
MOMENTS = ("start", "middle", "end", "all")
RIVALS = ("trained", "prior", "constant")
_PIT_BINS = 10


@dataclass(frozen=True)
class Score:
    """One average over episodes.

    Attributes:
        mean: Mean negative log-likelihood [nats].
        standard_error: Its standard error, episodes taken as independent; NaN for one episode.
    """

    mean: float
    standard_error: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of the belief over mu at the end of the episodes.

    Attributes:
        coverage_50, coverage_90: Share of truths inside the central 50 % and 90 % intervals.
        pit_histogram: Share of truths per tenth of the belief's distribution function.
    """

    coverage_50: float
    coverage_90: float
    pit_histogram: tuple[float, ...]


@dataclass(frozen=True)
class Evaluation:
    """Scores of all rivals on one set of episodes.

    Attributes:
        episodes: Number of episodes.
        scores: ``scores[rival][quantity][moment]``.
        calibration: By rival.
    """

    episodes: int
    scores: dict[str, dict[str, dict[str, Score]]]
    calibration: dict[str, Calibration]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dictionaries for JSON."""
        return asdict(self)


@torch.no_grad()
def evaluate_rivals(model: BeliefDynamics, train: Sequences, test: Sequences) -> Evaluation:
    """Score the trained model, the untrained prior and a constant Gaussian on ``test``.

    Args:
        model: Trained dynamics.
        train: Episodes that the constant Gaussian is fitted to.
        test: Episodes to score, at least one.
    """
    batch = test.mask.shape
    like = model.prior_means
    prior = prior_mixture(model.config.num_components, model.config.prior)
    prior = Mixture(*(getattr(prior, name).to(like) for name in ("logits", "means", "log_stds")))
    rivals = {
        "trained": model.rollout(test.actions, test.observations),
        "prior": prior.expand(*batch),
        "constant": fit_constant(train).expand(*batch),
    }
    return Evaluation(
        episodes=len(test),
        scores={
            name: {q: _summarise(_score(q, belief, test), test.mask) for q in QUANTITIES}
            for name, belief in rivals.items()
        },
        calibration={name: _calibrate(belief, test) for name, belief in rivals.items()},
    )


def fit_constant(train: Sequences, std_floor: float = 1e-3) -> Mixture:
    """Return the one diagonal Gaussian of maximum likelihood on all valid entries of ``train``.

    Args:
        train: Episodes.
        std_floor: Smallest standard deviation, for entries that are constant in the data.
    """
    theta, valid = train.theta.double(), train.valid
    count = valid.sum(dim=(0, 1)).clamp(min=1)
    mean = (theta * valid).sum(dim=(0, 1)) / count
    variance = ((theta - mean).square() * valid).sum(dim=(0, 1)) / count
    log_std = 0.5 * variance.clamp(min=std_floor**2).log()
    return Mixture(mean.new_zeros(1).float(), mean.unsqueeze(0).float(), log_std.unsqueeze(0).float())


def _score(quantity: str, belief: Mixture, test: Sequences) -> Tensor:
    """Return the negative log-likelihood at every step, shape ``(N, L)``."""
    if quantity == "theta":
        return -belief.log_prob(test.theta, test.valid)
    where = layout.LATENT_SLICES[quantity]
    belief, theta = belief.marginal(where), test.theta[..., where]
    if quantity == "pose":
        return -belief.log_prob(theta)
    return -belief.marginal_log_prob(theta).mean(dim=-1)


def _summarise(values: Tensor, mask: Tensor) -> dict[str, Score]:
    last = mask.sum(dim=1) - 1
    rows = torch.arange(len(values), device=values.device)
    per_episode = {
        "start": values[:, 0],
        "middle": values[rows, last // 2],
        "end": values[rows, last],
        "all": (values * mask).sum(dim=1) / mask.sum(dim=1),
    }
    return {
        moment: Score(float(v.double().mean()), float(v.double().std()) / math.sqrt(len(v)) if len(v) > 1 else math.nan)
        for moment, v in per_episode.items()
    }


def _calibrate(belief: Mixture, test: Sequences) -> Calibration:
    """Pool the five contacts' probability integral transforms at the last step of each episode."""
    last = test.mask.sum(dim=1) - 1
    rows = torch.arange(len(last), device=last.device)
    mu = belief.marginal(layout.LOG_MU)
    means, stds = mu.means[rows, last], mu.stds[rows, last]
    truth = test.theta[rows, last][:, layout.LOG_MU].unsqueeze(-2)
    pit = (mu.weights[rows, last].unsqueeze(-1) * torch.special.ndtr((truth - means) / stds)).sum(dim=-2).flatten()
    histogram = torch.histc(pit.double(), bins=_PIT_BINS, min=0.0, max=1.0) / len(pit)
    return Calibration(
        coverage_50=float(((pit > 0.25) & (pit < 0.75)).double().mean()),
        coverage_90=float(((pit > 0.05) & (pit < 0.95)).double().mean()),
        pit_histogram=tuple(round(float(share), 4) for share in histogram),
    )


def format_table(title: str, evaluation: Evaluation) -> Table:
    """Return the scores as a table: one row per quantity and moment, one column per rival."""
    table = Table(title=f"{title}: NLL (nats) of {evaluation.episodes} episodes, lower is better")
    for column in ("quantity", "moment", *RIVALS):
        table.add_column(column, justify="left" if column in ("quantity", "moment") else "right")
    for quantity in QUANTITIES:
        for moment in MOMENTS:
            scores = [evaluation.scores[rival][quantity][moment] for rival in RIVALS]
            best = min(score.mean for score in scores)
            cells = [
                f"{'[bold]' if s.mean == best else ''}{s.mean:.3f} ± {s.standard_error:.3f}"
                f"{'[/bold]' if s.mean == best else ''}"
                for s in scores
            ]
            table.add_row(quantity, moment, *cells)
    return table
