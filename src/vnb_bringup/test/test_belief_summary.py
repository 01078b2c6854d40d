from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose

from vnb_belief.layout import LATENT_DIM, LOG_MU
from vnb_bringup.report.belief_summary import mixture_quantile, mixture_std, summarise
from vnb_bringup.report.record import TrialRecord, floats, matrix


def test_one_component_has_the_quantiles_of_its_gaussian() -> None:
    mean, std = np.array([[[0.3, -2.0]]]), np.array([[[0.5, 2.0]]])
    high = mixture_quantile(np.ones((1, 1)), mean, std, 0.95)
    assert_allclose(high, mean[:, 0] + 1.6448536269514722 * std[:, 0], rtol=1e-9)


def test_two_far_modes_have_their_outer_quantiles() -> None:
    weights = np.array([[0.5, 0.5]])
    means, stds = np.array([[[-5.0], [5.0]]]), np.full((1, 2, 1), 0.1)
    # Ten per cent of either half lie beyond: the 5 % quantile is the first mode's 10 % quantile.
    assert_allclose(mixture_quantile(weights, means, stds, 0.05), [[-5.0 - 0.12815515655446004]], rtol=1e-9)
    assert_allclose(mixture_std(weights, means, stds), [[np.sqrt(25.01)]], rtol=1e-12)


def test_quantiles_agree_with_draws() -> None:
    rng = np.random.default_rng(0)
    weights, means, stds = np.array([[0.2, 0.5, 0.3]]), rng.normal(size=(1, 3, 1)), rng.uniform(0.2, 1.0, (1, 3, 1))
    k = rng.choice(3, size=200_000, p=weights[0])
    draws = rng.normal(means[0, k, 0], stds[0, k, 0])
    for q in (0.05, 0.5, 0.95):
        assert_allclose(mixture_quantile(weights, means, stds, q)[0, 0], np.quantile(draws, q), atol=0.02)


def test_summary_is_in_physical_units(record: TrialRecord) -> None:
    means, log_stds = np.zeros((1, LATENT_DIM)), np.full((1, LATENT_DIM), np.log(0.1))
    means[:, LOG_MU] = np.log(0.5)
    step = replace(record.steps[0], logits=floats([3.0]), means=matrix(means), log_stds=matrix(log_stds))
    summary = summarise([step])
    assert summary is not None
    assert_allclose(summary.mu_mean, np.full((1, 5), 0.5 * np.exp(0.005)), rtol=1e-12)
    assert_allclose(summary.mu_low, np.full((1, 5), 0.5 * np.exp(-0.16448536269514722)), rtol=1e-9)
    assert_allclose(summary.position_std, np.full((1, 3), 0.1), rtol=1e-12)


def test_steps_without_belief_have_no_summary(record: TrialRecord) -> None:
    assert summarise([replace(record.steps[0], logits=(), means=(), log_stds=())]) is None
