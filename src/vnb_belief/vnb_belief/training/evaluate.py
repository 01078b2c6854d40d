"""How well a belief knows the truth, against rivals that do not learn from the grasp.

Scores are negative log-likelihoods [nats] of the true latent entries under the *marginals* of the belief:

- ``mu``, ``kappa``: the five contacts share one true value, which a diagonal component can only hold five times. Each
  contact's marginal is scored on its own and the five scores are averaged, so that no belief is paid or charged five
  times for one unknown. Density is over log mu and log kappa.
- ``pose``: the joint marginal of the six tangent entries.
- ``theta``: the joint of all valid entries.

The same scores apply to every rival. :func:`evaluate_beliefs` computes them for any belief through the common
interface, **from its mixture summary**: exact for beliefs that are mixtures; for the particle filter the summary is a
kernel density of its particles, and for flow and implicit density, whose marginals have no closed form, a mixture
fitted to draws. Calibration of mu is reported beside them: probability integral transforms
should be uniform, central 50 % and 90 % intervals should hold the truth that often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from vnb_belief import layout
from vnb_belief.beliefs.base import Belief
from vnb_belief.dynamics import BeliefDynamics
from vnb_belief.features import pose_from_vector
from vnb_belief.mixture import Mixture
from vnb_belief.prior import at_accuracy, prior_mixture, stated_accuracy
from vnb_belief.training.dataset import EpisodeDataset
from vnb_belief.training.sbc import BINS, ENTRIES, Sbc, simulation_based_calibration
from vnb_belief.training.sequences import Sequences

QUANTITIES = ("mu", "kappa", "pose", "theta")
MOMENTS = ("start", "middle", "end", "all")
RIVALS = ("trained", "prior", "constant")
_PIT_BINS = 10
MIN_EPISODES = 5 * BINS
"""Episodes for a test of uniformity."""


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
        sbc: Uniformity of the truth's place in the belief at the end of each episode, by rival; empty for too few
            episodes.
    """

    episodes: int
    scores: dict[str, dict[str, dict[str, Score]]]
    calibration: dict[str, Calibration]
    sbc: dict[str, Sbc] = field(default_factory=dict)

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
        "prior": at_accuracy(prior.expand(*batch), stated_accuracy(test.observations, model.config.prior)),
        "constant": fit_constant(train).expand(*batch),
    }
    return Evaluation(
        episodes=len(test),
        scores={
            name: {q: _summarise(_score(q, belief, test.theta, test.valid), test.mask) for q in QUANTITIES}
            for name, belief in rivals.items()
        },
        calibration={name: _calibrate(belief, test) for name, belief in rivals.items()},
        sbc={name: _sbc(belief, test) for name, belief in rivals.items()} if len(test) >= MIN_EPISODES else {},
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


@torch.no_grad()
def evaluate_beliefs(beliefs: Mapping[str, Callable[[str], Belief]], dataset: EpisodeDataset) -> Evaluation:
    """Score beliefs through their common interface, step by step as a robot would run them.

    Args:
        beliefs: Maker of each belief from the name of the object; called once per object.
        dataset: Episodes to score.
    """
    scores: dict[str, dict[str, dict[str, Score]]] = {}
    calibration: dict[str, Calibration] = {}
    sbc: dict[str, Sbc] = {}
    mask = torch.from_numpy(dataset.mask)
    theta, valid = torch.from_numpy(dataset.theta).double(), torch.from_numpy(dataset.valid)
    for name, make in beliefs.items():
        made: dict[str, Belief] = {}
        values = {quantity: torch.zeros(mask.shape, dtype=torch.float64) for quantity in QUANTITIES}
        ends: list[Mixture] = []
        pits = []
        for n, object_name in enumerate(dataset.object_names.tolist()):
            if object_name not in made:
                made[object_name] = make(object_name)
            mixtures = _follow(made[object_name], dataset, n)
            for step, mixture in enumerate(mixtures):
                for quantity in QUANTITIES:
                    values[quantity][n, step] = _score(quantity, mixture, theta[n, step], valid[n, step])
            ends.append(mixtures[-1])
            pits.append(_friction_pit(mixtures[-1], theta[n, len(mixtures) - 1]))
        scores[name] = {quantity: _summarise(value, mask) for quantity, value in values.items()}
        calibration[name] = _calibration(torch.cat(pits))
        if len(dataset) >= MIN_EPISODES:
            last = torch.stack([theta[n, int(mask[n].sum()) - 1] for n in range(len(dataset))])
            sbc[name] = simulation_based_calibration(_stack(ends), last)
    return Evaluation(episodes=len(dataset), scores=scores, calibration=calibration, sbc=sbc)


def _stack(beliefs: list[Mixture]) -> Mixture:
    parts = ("logits", "means", "log_stds")
    return Mixture(*(torch.stack([getattr(belief, part) for belief in beliefs]) for part in parts))


def _follow(belief: Belief, dataset: EpisodeDataset, n: int) -> list[Mixture]:
    """Return the belief's summaries along episode ``n``."""
    observations = torch.from_numpy(dataset.observations[n]).double()
    actions = torch.from_numpy(dataset.actions[n]).double()
    mixtures = [belief.reset(observations[0], pose_from_vector(observations[0, layout.OBS_POSE]))]
    for step in range(1, int(dataset.mask[n].sum())):
        mixtures.append(belief.update(actions[step - 1], observations[step]))
    return mixtures


def _score(quantity: str, belief: Mixture, theta: Tensor, valid: Tensor) -> Tensor:
    """Return the negative log-likelihood of ``theta (..., 26)``, shape ``(...)``."""
    if quantity == "theta":
        return -belief.log_prob(theta, valid)
    where = layout.LATENT_SLICES[quantity]
    belief, theta = belief.marginal(where), theta[..., where]
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
    at_last = Mixture(belief.logits[rows, last], belief.means[rows, last], belief.log_stds[rows, last])
    return _calibration(_friction_pit(at_last, test.theta[rows, last]).flatten())


def _sbc(belief: Mixture, test: Sequences) -> Sbc:
    last = test.mask.sum(dim=1) - 1
    rows = torch.arange(len(last), device=last.device)
    at_last = Mixture(belief.logits[rows, last], belief.means[rows, last], belief.log_stds[rows, last])
    return simulation_based_calibration(at_last, test.theta[rows, last])


def _friction_pit(belief: Mixture, theta: Tensor) -> Tensor:
    """Return the distribution function of each contact's log friction at the truth, shape ``(..., 5)``."""
    mu = belief.marginal(layout.LOG_MU)
    z = (theta[..., layout.LOG_MU].unsqueeze(-2) - mu.means) / mu.stds
    return (mu.weights.unsqueeze(-1) * torch.special.ndtr(z)).sum(dim=-2)


def _calibration(pit: Tensor) -> Calibration:
    """Return the calibration of probability integral transforms ``(n,)``."""
    histogram = torch.histc(pit.double(), bins=_PIT_BINS, min=0.0, max=1.0) / len(pit)
    return Calibration(
        coverage_50=float(((pit > 0.25) & (pit < 0.75)).double().mean()),
        coverage_90=float(((pit > 0.05) & (pit < 0.95)).double().mean()),
        pit_histogram=tuple(round(float(share), 4) for share in histogram),
    )


def format_sbc(title: str, evaluation: Evaluation) -> Table:
    """Return the calibration as a table: one row per rival, a p-value per latent entry, and the pose's NEES."""
    table = Table(
        title=f"{title}: calibration at the end, chi-square p-values of uniform ranks, and NEES / 6 (95 % band)"
    )
    for column in ("belief", *ENTRIES, "NEES"):
        table.add_column(column, justify="left" if column == "belief" else "right")
    for rival, found in evaluation.sbc.items():
        low, high = found.nees_band
        nees = f"{found.nees:.2f} ({low:.2f} to {high:.2f})"
        table.add_row(rival, *(f"{found.p_values[name]:.2g}" for name in ENTRIES), nees)
    return table


def format_table(title: str, evaluation: Evaluation) -> Table:
    """Return the scores as a table: one row per quantity and moment, one column per rival."""
    table = Table(title=f"{title}: NLL (nats) of {evaluation.episodes} episodes, lower is better")
    rivals = tuple(evaluation.scores)
    for column in ("quantity", "moment", *rivals):
        table.add_column(column, justify="left" if column in ("quantity", "moment") else "right")
    for quantity in QUANTITIES:
        for moment in MOMENTS:
            scores = [evaluation.scores[rival][quantity][moment] for rival in rivals]
            best = min(score.mean for score in scores)
            cells = [
                f"{'[bold]' if s.mean == best else ''}{s.mean:.3f} ± {s.standard_error:.3f}"
                f"{'[/bold]' if s.mean == best else ''}"
                for s in scores
            ]
            table.add_row(quantity, moment, *cells)
    return table
