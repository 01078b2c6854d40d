import pytest
import torch
from torch.testing import assert_close

from vnb_belief.mixture import Mixture
from vnb_belief.reduction import merge_components, reduce_mixture
from vnb_grasp.errors import ConfigError, ShapeError


def many(m: int = 100, d: int = 26, seed: int = 0) -> Mixture:
    g = torch.Generator().manual_seed(seed)
    logits, means, log_stds = (
        torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((m,), (m, d), (m, d))
    )
    return Mixture(2.0 * logits, 3.0 * means, 0.3 * log_stds - 1.0)


@pytest.mark.parametrize("k", [1, 2, 8, 99])
def test_mean_and_variance_of_each_latent_stay(k: int) -> None:
    mixture = many()
    reduced = reduce_mixture(mixture, k)
    assert reduced.num_components <= k
    assert_close(reduced.mean(), mixture.mean())
    assert_close(reduced.covariance().diagonal(), mixture.covariance().diagonal())
    assert_close(reduced.weights.sum(), torch.tensor(1.0).double())


def test_merging_keeps_the_moments_of_any_groups() -> None:
    mixture = many(d=3)
    merged = merge_components(mixture, torch.arange(100) % 7)
    assert merged.num_components == 7
    assert_close(merged.mean(), mixture.mean())
    assert_close(merged.covariance().diagonal(), mixture.covariance().diagonal())


def test_separate_clusters_come_back_one_component_each() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, -8.0]], dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    means = centres.repeat_interleave(20, dim=0) + 0.1 * torch.randn(60, 2, generator=g, dtype=torch.float64)
    means = means[torch.randperm(60, generator=g)]
    reduced = reduce_mixture(Mixture(torch.zeros(60).double(), means, torch.full_like(means, -3.0)), 3)
    assert_close(reduced.weights, torch.full((3,), 1.0 / 3.0).double())
    found = reduced.means[torch.cdist(centres, reduced.means).argmin(dim=1)]
    assert_close(found, centres, rtol=0.0, atol=0.1)
    assert float(reduced.stds.max()) < 0.2


def test_deterministic_and_small_mixtures_stay() -> None:
    a, b = reduce_mixture(many(), 8), reduce_mixture(many(), 8)
    assert torch.equal(a.means, b.means) and torch.equal(a.logits, b.logits)
    few = many(m=4)
    assert reduce_mixture(few, 8) is few
    assert reduce_mixture(few, 4) is few


def test_identical_and_weightless_components_are_no_trouble() -> None:
    same = Mixture(torch.zeros(10).double(), torch.ones(10, 2).double(), torch.zeros(10, 2).double())
    reduced = reduce_mixture(same, 3)
    assert_close(reduced.mean(), torch.ones(2).double())
    logits = torch.full((10,), -800.0).double()
    logits[3] = 0.0
    alone = reduce_mixture(Mixture(logits, many(m=10, d=2).means, torch.zeros(10, 2).double()), 3)
    assert_close(alone.mean(), many(m=10, d=2).means[3])


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="components"):
        reduce_mixture(many(), 0)
    with pytest.raises(ShapeError, match="one mixture"):
        reduce_mixture(Mixture(torch.zeros(2, 3), torch.zeros(2, 3, 1), torch.zeros(2, 3, 1)), 2)
