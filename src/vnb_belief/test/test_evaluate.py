import io
import math
from collections.abc import Callable

import pytest
import torch
from rich.console import Console

from vnb_belief import layout
from vnb_belief.dynamics import BeliefDynamics
from vnb_belief.prior import prior_mixture
from vnb_belief.training.dataset import EpisodeDataset
from vnb_belief.training.evaluate import MOMENTS, QUANTITIES, RIVALS, evaluate_rivals, fit_constant, format_table
from vnb_belief.training.sequences import Sequences, make_sequences

Make = Callable[..., EpisodeDataset]


def drawn_from_the_prior(episodes: int) -> Sequences:
    """Latents that follow the prior exactly, one per episode, two steps each."""
    theta = prior_mixture(8).sample(episodes, torch.Generator().manual_seed(0)).float()
    theta = theta.unsqueeze(1).repeat(1, 2, 1)
    mask = torch.ones(episodes, 2, dtype=torch.bool)
    return Sequences(torch.zeros(episodes, 2, 6), torch.zeros(episodes, 2, 41), theta, torch.ones_like(theta) > 0, mask)


def test_untrained_model_scores_as_the_prior_in_every_cell(make_dataset: Make) -> None:
    sequences = make_sequences(make_dataset(12))
    sequences.observations[..., layout.OBS_POSE] = 0.0  # estimates that stay: the moving average moves no mean
    scores = evaluate_rivals(BeliefDynamics(), sequences, sequences).scores
    for quantity in QUANTITIES:
        for moment in MOMENTS:
            ours, theirs = scores["trained"][quantity][moment], scores["prior"][quantity][moment]
            assert ours.mean == pytest.approx(theirs.mean, rel=1e-4)


def test_constant_gaussian_is_the_maximum_likelihood_fit(make_dataset: Make) -> None:
    train = make_sequences(make_dataset(30))
    fitted = fit_constant(train)
    for entry in (0, layout.LOG_MU.start, layout.SLIP_RAW.start):
        values = train.theta[..., entry][train.valid[..., entry]].double()
        assert float(fitted.means[0, entry]) == pytest.approx(float(values.mean()), rel=1e-4, abs=1e-6)
        expected = max(float(values.std(correction=0)), 1e-3)
        assert float(fitted.stds[0, entry]) == pytest.approx(expected, rel=1e-4)


def test_score_of_the_constant_gaussian_on_its_own_data_is_its_entropy(make_dataset: Make) -> None:
    train = make_sequences(make_dataset(30, steps=1))
    train = train.select(train.mask.all(dim=1))
    scores = evaluate_rivals(BeliefDynamics(), train, train).scores["constant"]
    std = float(fit_constant(train).stds[0, layout.LOG_MU.start])
    entropy = 0.5 * math.log(2.0 * math.pi * math.e) + math.log(std)
    assert scores["mu"]["all"].mean == pytest.approx(entropy, abs=1e-4)


def test_prior_is_calibrated_on_its_own_draws_and_a_shifted_truth_is_not() -> None:
    test = drawn_from_the_prior(2000)
    model = BeliefDynamics()
    good = evaluate_rivals(model, test, test).calibration["prior"]
    assert good.coverage_50 == pytest.approx(0.5, abs=0.04)
    assert good.coverage_90 == pytest.approx(0.9, abs=0.03)
    assert all(abs(share - 0.1) < 0.025 for share in good.pit_histogram)
    test.theta[..., layout.LOG_MU] += 1.0
    shifted = evaluate_rivals(model, test, test).calibration["prior"]
    assert shifted.coverage_90 < 0.3 and shifted.pit_histogram[-1] > 0.7


def test_moments_pick_their_steps_and_padding_does_not_count() -> None:
    test = drawn_from_the_prior(50)
    train = test.select(torch.arange(50))
    test.theta[:, 1, layout.LOG_MU] += 1.0  # only the last step is far from the prior
    scores = evaluate_rivals(BeliefDynamics(), train, test).scores["prior"]["mu"]
    assert scores["end"].mean > scores["start"].mean + 1.0
    assert scores["middle"].mean == pytest.approx(scores["start"].mean)
    assert scores["all"].mean == pytest.approx(0.5 * (scores["start"].mean + scores["end"].mean), rel=1e-5)
    test.mask[:, 1] = False
    cut = evaluate_rivals(BeliefDynamics(), train, test).scores["prior"]["mu"]
    for moment in MOMENTS:
        assert cut[moment].mean == pytest.approx(scores["start"].mean)


def test_table_holds_every_rival_quantity_and_moment(make_dataset: Make) -> None:
    sequences = make_sequences(make_dataset(6))
    evaluation = evaluate_rivals(BeliefDynamics(), sequences, sequences)
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(format_table("held out", evaluation))
    text = console.export_text()
    for word in (*RIVALS, *QUANTITIES, *MOMENTS, "6 episodes"):
        assert word in text
    assert f"{evaluation.scores['constant']['pose']['end'].mean:.3f}" in text
