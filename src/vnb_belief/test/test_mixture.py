import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from vnb_belief.mixture import Mixture, cosine_temperature
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError

DTYPES = (torch.float32, torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_mixture(*batch: int, k: int = 3, d: int = 2, dtype: torch.dtype = torch.float64, seed: int = 0) -> Mixture:
    g = generator(seed)
    return Mixture(
        torch.randn(*batch, k, generator=g, dtype=dtype),
        2.0 * torch.randn(*batch, k, d, generator=g, dtype=dtype),
        0.4 * torch.randn(*batch, k, d, generator=g, dtype=dtype) - 0.5,
    )


def two_modes(std: float = 0.01) -> Mixture:
    """Equal narrow modes at -1 and +1."""
    means = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    return Mixture(torch.zeros(2, dtype=torch.float64), means, torch.full_like(means, math.log(std)))


def valley_fraction(samples: torch.Tensor) -> float:
    return float((samples.abs() < 0.5).double().mean())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stratified", [False, True])
def test_sample_moments_match_closed_form(dtype: torch.dtype, stratified: bool) -> None:
    mixture = random_mixture(2, dtype=dtype)
    n = 40_000
    samples = mixture.sample(n, generator(), stratified=stratified)
    assert samples.shape == (2, n, 2) and samples.dtype == dtype
    # Monte Carlo error: five standard errors of the mean and of the second moment.
    centred = samples - mixture.mean().unsqueeze(-2)
    products = centred.unsqueeze(-1) * centred.unsqueeze(-2)
    assert ((centred.mean(-2).abs()) <= 5.0 * samples.std(-2) / n**0.5).all()
    error = (products.mean(-3) - mixture.covariance()).abs()
    assert (error <= 5.0 * products.std(-3) / n**0.5).all()


def test_moments_of_a_hand_computed_mixture() -> None:
    mixture = Mixture(
        torch.tensor([0.25, 0.75], dtype=torch.float64).log(),
        torch.tensor([[0.0], [4.0]], dtype=torch.float64),
        torch.tensor([[1.0], [2.0]], dtype=torch.float64).log(),
    )
    assert_close(mixture.mean(), torch.tensor([3.0], dtype=torch.float64))
    assert_close(mixture.covariance(), torch.tensor([[0.25 + 3.0 + 0.25 * 9.0 + 0.75]], dtype=torch.float64))


def test_component_samples_have_component_moments() -> None:
    mixture = random_mixture()
    samples = mixture.sample_components(20_000, generator())
    assert samples.shape == (3, 20_000, 2)
    tolerance = 5.0 * mixture.stds / 20_000**0.5
    assert ((samples.mean(-2) - mixture.means).abs() <= tolerance).all()
    assert ((samples.std(-2) - mixture.stds).abs() <= tolerance).all()


def test_stratified_sampling_allots_components_within_one_draw() -> None:
    mixture = Mixture(torch.tensor([0.1, 0.6, 0.3]).log(), torch.tensor([[-9.0], [0.0], [9.0]]), torch.zeros(3, 1))
    samples = mixture.sample(101, generator(), stratified=True)[:, 0]
    counts = torch.stack([(samples < -4.5).sum(), (samples.abs() <= 4.5).sum(), (samples > 4.5).sum()])
    assert ((counts - 101 * mixture.weights).abs() <= 1.0).all()


def test_exact_laws_leave_the_valley_empty() -> None:
    mixture = two_modes()
    g = generator()
    for samples in (
        mixture.sample(2000, g),
        mixture.sample(2000, g, stratified=True),
        mixture.sample_components(1000, g),
        mixture.rsample(2000, 0.5, g, hard=True),
    ):
        assert valley_fraction(samples) == 0.0
        assert 0.45 < float((samples > 0).double().mean()) < 0.55


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.1])
def test_soft_gumbel_law_fills_the_valley(temperature: float) -> None:
    """theta = tanh(L / (2 tau)) with L logistic, so P(|theta| < 0.5) = tanh(tau atanh 0.5): 27 % at tau = 0.5."""
    n = 50_000
    expected = math.tanh(temperature * math.atanh(0.5))
    fraction = valley_fraction(two_modes(1e-6).rsample(n, temperature, generator()))
    assert abs(fraction - expected) < 5.0 * math.sqrt(expected * (1.0 - expected) / n)
    if temperature == 0.5:
        assert 0.26 < fraction < 0.28


@pytest.mark.parametrize("dtype", DTYPES)
def test_density_integrates_to_one(dtype: torch.dtype) -> None:
    mixture = random_mixture(dtype=dtype)
    axis = torch.linspace(-15.0, 15.0, 401, dtype=dtype)
    grid = torch.cartesian_prod(axis, axis)
    mass = mixture.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert_close(mass, torch.ones((), dtype=dtype), rtol=1e-4, atol=1e-4)


def test_log_prob_matches_torch_distributions() -> None:
    mixture = random_mixture(4, k=5, d=3)
    d = torch.distributions
    reference = d.MixtureSameFamily(
        d.Categorical(logits=mixture.logits), d.Independent(d.Normal(mixture.means, mixture.stds), 1)
    )
    theta = torch.randn(4, 3, generator=generator(1), dtype=torch.float64)
    assert_close(mixture.log_prob(theta), reference.log_prob(theta))
    many = torch.randn(4, 7, 3, generator=generator(2), dtype=torch.float64)
    assert_close(mixture.log_prob(many), reference.log_prob(many.transpose(0, 1)).T)


def test_masked_log_prob_is_the_marginal_and_ignores_masked_values() -> None:
    mixture = random_mixture(d=4)
    theta = torch.randn(4, generator=generator(1), dtype=torch.float64)
    theta[2:] = torch.nan
    mask = torch.tensor([True, True, False, False])
    assert_close(mixture.log_prob(theta, mask), mixture.marginal(slice(0, 2)).log_prob(theta[:2]))
    with pytest.raises(NonFiniteError, match="theta"):
        mixture.log_prob(theta)


def test_marginal_log_prob_is_that_of_each_marginal() -> None:
    mixture = random_mixture(2, d=3)
    theta = torch.randn(2, 5, 3, generator=generator(1), dtype=torch.float64)
    mask = torch.rand(2, 5, 3, generator=generator(2)) < 0.7
    values = mixture.marginal_log_prob(theta, mask)
    for d in range(3):
        alone = mixture.marginal(slice(d, d + 1)).log_prob(theta[..., d : d + 1])
        assert_close(values[..., d], torch.where(mask[..., d], alone, torch.zeros_like(alone)))


def test_entropy_of_one_component_is_the_gaussian_closed_form() -> None:
    mixture = random_mixture(k=1, d=3)
    closed = mixture.log_stds[0].sum() + 1.5 * math.log(2.0 * math.pi * math.e)
    lower, upper = mixture.entropy_bounds()
    assert_close(lower, closed)
    assert_close(upper, closed)
    n = 20_000
    # -log p of a Gaussian has variance D/2.
    assert abs(float(mixture.entropy(n, generator()) - closed)) < 5.0 * math.sqrt(1.5 / n)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_entropy_lies_between_its_bounds(seed: int, k: int) -> None:
    mixture = random_mixture(k=k, seed=seed)
    lower, upper = mixture.entropy_bounds()
    estimate = mixture.entropy(4000, generator(seed))
    assert lower - 0.1 <= estimate <= upper + 0.1
    assert lower <= upper + 1e-12


def test_entropy_reaches_each_bound() -> None:
    far, same = two_modes(), Mixture(torch.zeros(2), torch.zeros(2, 1), torch.zeros(2, 1))
    assert_close(far.entropy(4000, generator()), far.entropy_bounds()[1], rtol=0.0, atol=0.05)
    assert_close(same.entropy(4000, generator()), same.entropy_bounds()[0], rtol=0.0, atol=0.05)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)))
def test_order_of_components_does_not_matter(order: list[int]) -> None:
    mixture = random_mixture(k=4)
    permuted = Mixture(mixture.logits[order], mixture.means[order], mixture.log_stds[order])
    theta = torch.randn(9, 2, generator=generator(1), dtype=torch.float64)
    assert_close(permuted.log_prob(theta), mixture.log_prob(theta))
    assert_close(permuted.mean(), mixture.mean())
    assert_close(permuted.covariance(), mixture.covariance())
    for ours, theirs in zip(permuted.entropy_bounds(), mixture.entropy_bounds(), strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_near_zero_weights_keep_finite_gradients(dtype: torch.dtype) -> None:
    parameters = [
        torch.tensor([0.0, -200.0, -1e4], dtype=dtype, requires_grad=True),
        torch.tensor([[0.0], [50.0], [-50.0]], dtype=dtype, requires_grad=True),
        torch.tensor([[0.0], [-6.0], [3.0]], dtype=dtype, requires_grad=True),
    ]
    mixture = Mixture(*parameters)
    total = mixture.log_prob(torch.full((1,), 49.0, dtype=dtype)) + mixture.entropy(16, generator())
    total = total + mixture.rsample(16, 0.1, generator()).square().mean()
    for gradient in torch.autograd.grad(total, parameters):
        assert torch.isfinite(gradient).all()


def test_log_prob_and_entropy_gradients_match_finite_differences() -> None:
    mixture = random_mixture()
    theta = torch.randn(2, generator=generator(1), dtype=torch.float64)
    parameters = tuple(p.requires_grad_() for p in (mixture.logits, mixture.means, mixture.log_stds))

    def evaluate(*p: torch.Tensor) -> torch.Tensor:
        return Mixture(*p).log_prob(theta) + Mixture(*p).entropy(5, generator(3))

    assert torch.autograd.gradcheck(evaluate, parameters)


def quadratic_gradients(sampler: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Monte Carlo and exact gradients of E[theta^2] in the logits of two modes at 0 and 2."""
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    means = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    mixture = Mixture(logits, means, torch.full_like(means, math.log(0.1)))
    if sampler == "components":
        draws = mixture.sample_components(20_000, generator())
        value = (mixture.weights * draws.square().mean(dim=(-2, -1))).sum()
    else:
        value = mixture.rsample(20_000, 0.5, generator(), hard=sampler == "hard").square().mean()
    (estimate,) = torch.autograd.grad(value, logits)
    (exact,) = torch.autograd.grad((mixture.weights * (means[:, 0].square() + 0.01)).sum(), logits)
    return estimate, exact


def test_component_gradient_is_unbiased_and_gumbel_gradients_are_not() -> None:
    estimate, exact = quadratic_gradients("components")
    assert_close(estimate, exact, rtol=0.0, atol=0.01)  # exact is +-1
    for biased in ("soft", "hard"):
        estimate, exact = quadratic_gradients(biased)
        assert (torch.sign(estimate) == torch.sign(exact)).all()
        assert ((estimate - exact).abs() > 0.05).all()


def test_same_seed_same_draws() -> None:
    mixture = random_mixture(2)
    for draw in (
        lambda g: mixture.sample(5, g),
        lambda g: mixture.sample(5, g, stratified=True),
        lambda g: mixture.sample_components(5, g),
        lambda g: mixture.rsample(5, 0.5, g),
        lambda g: mixture.entropy(5, g),
    ):
        assert torch.equal(draw(generator(7)), draw(generator(7)))
        assert not torch.equal(draw(generator(7)), draw(generator(8)))


@pytest.mark.parametrize("field", ["logits", "means", "log_stds"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_parameters_are_named(field: str, bad: float) -> None:
    values = {"logits": torch.zeros(2), "means": torch.zeros(2, 3), "log_stds": torch.zeros(2, 3)}
    values[field].view(-1)[1] = bad
    with pytest.raises(NonFiniteError, match=f"mixture {field}"):
        Mixture(**values)


def test_wrong_shapes_raise() -> None:
    with pytest.raises(ShapeError, match="means"):
        Mixture(torch.zeros(2), torch.zeros(3, 4), torch.zeros(3, 4))
    with pytest.raises(ShapeError, match="log_stds"):
        Mixture(torch.zeros(2), torch.zeros(2, 4), torch.zeros(2, 3))
    with pytest.raises(ShapeError, match="at least one component"):
        Mixture(torch.zeros(0), torch.zeros(0, 4), torch.zeros(0, 4))
    with pytest.raises(ShapeError, match=r"expected \(..., 2\)"):
        random_mixture().log_prob(torch.zeros(5))
    with pytest.raises(ShapeError, match=r"\(..., n, 2\)"):
        random_mixture().log_prob(torch.zeros(4, 5, 2))
    with pytest.raises(ConfigError, match=r"got 3, expected 0\.\.2"):
        random_mixture().component(3)
    with pytest.raises(ConfigError, match="temperature"):
        random_mixture().rsample(2, 0.0)


def test_component_blend_and_expand() -> None:
    mixture = random_mixture()
    one = mixture.component(1)
    assert one.num_components == 1
    assert_close(one.weights, torch.ones(1, dtype=torch.float64))
    assert_close(one.mean(), mixture.means[1])
    other = random_mixture(seed=5)
    assert_close(mixture.blend(other, 0.25).means, 0.75 * mixture.means + 0.25 * other.means)
    wide = mixture.expand(4)
    assert_close(wide.mean(), mixture.mean().expand(4, 2))


def test_temperature_schedule() -> None:
    assert cosine_temperature(0.0) == pytest.approx(1.0)
    assert cosine_temperature(0.5) == pytest.approx(0.55)
    assert cosine_temperature(1.0) == pytest.approx(0.1)
    with pytest.raises(ConfigError, match="progress"):
        cosine_temperature(1.5)
    with pytest.raises(ConfigError, match="temperatures"):
        cosine_temperature(0.5, end=0.0)
