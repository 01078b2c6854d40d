import math
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from vnb_belief.checkpoint import Provenance
from vnb_belief.densities.checkpoint import Density, dynamics_hash, load_density, save_density
from vnb_belief.densities.flow import ConditionalFlow, FlowConfig
from vnb_belief.densities.siren import INPUT_RANGE, ImplicitDensity, SirenConfig, gaussian_log_prob
from vnb_belief.dynamics import BeliefDynamics, DynamicsConfig
from vnb_grasp.errors import CheckpointError, ConfigError

PROVENANCE = Provenance("./vnb train --belief flow", 0, 1, "ab" * 32, "./vnb collect", 20, 11)
BOTH = pytest.mark.parametrize("make", [ConditionalFlow, ImplicitDensity], ids=["flow", "implicit"])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disturbed(density: Density, amount: float = 0.1) -> Density:
    g = generator()
    for parameter in density.parameters():
        parameter.data += amount * torch.randn(parameter.shape, generator=g)
    return density.eval().requires_grad_(False)


def inputs(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(1)
    return torch.randn(n, 14, generator=g), torch.randn(n, 64, generator=g)


@BOTH
def test_untrained_is_the_unit_gaussian_whatever_h(make: type[Density]) -> None:
    u, h = inputs()
    density = make().eval()
    value = density.log_prob(u, h) if isinstance(density, ConditionalFlow) else density.log_density(u, h)
    assert_close(value, gaussian_log_prob(u), rtol=1e-4, atol=1e-4)


@BOTH
def test_weights_follow_from_the_seed_alone(make: type[Density]) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a, b, c = make(seed=3), make(seed=3), make(seed=4)
    assert torch.equal(before, torch.get_rng_state())
    for one, other in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(one, other)
    assert any(not torch.equal(x, y) for x, y in zip(a.parameters(), c.parameters(), strict=True))


def test_flow_density_integrates_to_one() -> None:
    flow = disturbed(ConditionalFlow())
    _, h = inputs(1)
    draws = 1.5 * torch.randn(20_000, 14, generator=generator(2))
    proposal = gaussian_log_prob(draws / 1.5) - 14 * math.log(1.5)
    weights = (flow.log_prob(draws, h) - proposal).exp()
    assert float(weights.mean()) == pytest.approx(1.0, abs=5.0 * float(weights.std()) / math.sqrt(20_000))
    assert float(weights.std()) > 0.0


def test_flow_draws_follow_its_density() -> None:
    flow = disturbed(ConditionalFlow(), 0.03)
    h = inputs(1)[1][0]
    draws = flow.sample(h, 8000, generator(3))
    assert torch.equal(draws, flow.sample(h, 8000, generator(3)))
    noise = torch.randn(8000, 14, generator=generator(3))
    back = flow.flow(h.expand(8000, 64)).transform(draws)
    assert_close(back, noise, rtol=1e-3, atol=2e-3)
    u = torch.randn(20_000, 14, generator=generator(4))
    weights = (flow.log_prob(u, h) - gaussian_log_prob(u)).softmax(dim=0)
    assert_close(draws.mean(dim=0), weights @ u, rtol=0.0, atol=0.15)


def test_siren_starts_as_its_paper_prescribes() -> None:
    density = ImplicitDensity(SirenConfig())
    first, *rest = density.layers
    assert float(first.weight.detach().abs().max()) <= 1.0 / 78.0
    assert float(first.weight.detach().std()) == pytest.approx(1.0 / 78.0 / math.sqrt(3.0), rel=0.05)
    for layer in rest:
        bound = math.sqrt(6.0 / 128.0) / 30.0
        assert float(layer.weight.detach().abs().max()) <= bound
        assert float(layer.weight.detach().std()) == pytest.approx(bound / math.sqrt(3.0), rel=0.05)
    assert [layer.out_features for layer in density.layers] == [128, 128, 128]


def test_siren_is_the_network_of_its_formula() -> None:
    density = disturbed(ImplicitDensity(SirenConfig(hidden=4, layers=2)))
    u, h = inputs(3)
    x = torch.cat((u, h), dim=-1) / INPUT_RANGE
    for layer in density.layers:
        x = torch.sin(30.0 * (x @ layer.weight.T + layer.bias))
    expected = x @ density.output.weight[0] + density.output.bias
    assert_close(density.log_ratio(u, h), expected)
    assert_close(density.log_ratio(u, h[0]), density.log_ratio(u, h[:1].expand(3, 64)))


def test_contrastive_loss_of_the_untrained_density_is_that_of_guessing() -> None:
    density = ImplicitDensity().eval()
    u, h = inputs(50)
    ratio = 4
    expected = math.log(1 + ratio) + ratio * math.log(1 + 1 / ratio)
    assert float(density.loss(u, h, generator()).detach()) == pytest.approx(expected, rel=1e-5)


@BOTH
def test_training_finds_a_shifted_density_that_depends_on_h(make: type[Density]) -> None:
    density = make()
    g = generator(5)
    optimizer = torch.optim.Adam(density.parameters(), 2e-3 if make is ConditionalFlow else 3e-4)
    density.eval()  # no dropout, which draws from the global generator
    for _ in range(300):
        h = torch.randn(256, 64, generator=g)
        u = torch.randn(256, 14, generator=g)
        u[:, 0] = 0.8 * torch.sign(h[:, 0]) + 0.6 * u[:, 0]
        optimizer.zero_grad()
        density.loss(u, h, g).backward()
        optimizer.step()
    density.eval()
    grid = torch.zeros(81, 14)
    grid[:, 0] = torch.linspace(-4.0, 4.0, 81)
    for sign in (1.0, -1.0):
        h = torch.zeros(64)
        h[0] = sign
        is_flow = isinstance(density, ConditionalFlow)
        value = density.log_prob(grid, h) if is_flow else density.log_density(grid, h)
        weights = value.detach().softmax(dim=0)
        assert float(weights @ grid[:, 0]) == pytest.approx(0.8 * sign, abs=0.3)


@BOTH
def test_checkpoint_round_trip(make: type[Density], tmp_path: Path) -> None:
    model, density = BeliefDynamics(DynamicsConfig(num_components=2)), disturbed(make())
    save_density(tmp_path / "a.pt", density, model, PROVENANCE)
    save_density(tmp_path / "b.pt", density, model, PROVENANCE)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert (tmp_path / "a.pt").stat().st_size < 500_000
    loaded, provenance = load_density(tmp_path / "a.pt", density.kind, model)
    assert provenance == PROVENANCE
    assert loaded.config == density.config
    for name, value in density.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_checkpoint_of_other_dynamics_kind_or_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.pt"
    model = BeliefDynamics(DynamicsConfig(num_components=2))
    save_density(path, ConditionalFlow(), model, PROVENANCE)
    other = BeliefDynamics(DynamicsConfig(num_components=2), generator=generator(9))
    assert dynamics_hash(other) != dynamics_hash(model)
    with pytest.raises(CheckpointError, match="dynamics_hash"):
        load_density(path, "flow", other)
    with pytest.raises(CheckpointError, match="kind"):
        load_density(path, "implicit", model)
    with pytest.raises(CheckpointError, match="no such file"):
        load_density(tmp_path / "none.pt", "flow", model)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "config": {**content["config"], "bins": 4}}, path)
    with pytest.raises(CheckpointError, match="do not fit"):
        load_density(path, "flow", model)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(CheckpointError, match="damaged"):
        load_density(path, "flow", model)
    with pytest.raises(CheckpointError, match="bytes"):
        save_density(path, ConditionalFlow(FlowConfig(hidden=256)), model, PROVENANCE)


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (FlowConfig, {"transforms": 0}),
        (FlowConfig, {"bins": 1}),
        (FlowConfig, {"dropout": 1.0}),
        (SirenConfig, {"hidden": 0}),
        (SirenConfig, {"omega": 0.0}),
        (SirenConfig, {"dropout": -0.1}),
    ],
)
def test_bad_sizes_are_refused(config: type, changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        config(**changes)
