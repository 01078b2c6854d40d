import math

import pytest
import torch
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.mixture import Mixture
from vnb_belief.prior import prior_mixture
from vnb_belief.shared import CONTACT_SPREAD, SHARED_DIM, SharedFrame, contrast_log_prob, from_shared, to_shared
from vnb_grasp.errors import ShapeError


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def shared(n: int = 5) -> torch.Tensor:
    return torch.randn(n, SHARED_DIM, generator=generator(), dtype=torch.float64)


def test_round_trip_and_spread_of_contacts() -> None:
    points = shared(4000)
    theta = from_shared(points, generator())
    assert theta.shape == (4000, 26)
    assert_close(to_shared(theta), points)
    for block in (layout.LOG_MU, layout.LOG_KAPPA, layout.LOG_DAMPING):
        offset = theta[:, block] - theta[:, block].mean(dim=1, keepdim=True)
        # Five contrasts that sum to zero have four degrees of freedom.
        assert float(offset.square().sum(dim=1).mean()) == pytest.approx(4.0 * CONTACT_SPREAD**2, rel=0.05)


def test_density_of_the_contrasts_is_that_of_a_joint_gaussian() -> None:
    """A Gaussian shared value with contrasts is a Gaussian over the block, whose density torch knows."""
    std, block = 0.3, layout.LOG_MU
    ones = torch.ones(5, 5, dtype=torch.float64) / 5.0
    covariance = std**2 * torch.ones(5, 5).double() + CONTACT_SPREAD**2 * (torch.eye(5).double() - ones)
    exact = torch.distributions.MultivariateNormal(torch.zeros(5).double(), covariance)
    theta = torch.zeros(7, 26, dtype=torch.float64)
    theta[:, block] = (
        exact.sample((7,)) * 0.0 + 0.2 + 0.03 * torch.randn(7, 5, generator=generator(), dtype=torch.float64)
    )
    mean = theta[:, block].mean(dim=1)
    gaussian = -0.5 * (mean / std).square() - math.log(std * math.sqrt(2.0 * math.pi))
    other = contrast_log_prob(torch.zeros(26).double()) * 2.0 / 3.0  # two blocks without contrasts
    assert_close(exact.log_prob(theta[:, block]), gaussian + contrast_log_prob(theta) - other)


def test_frame_holds_the_moments_of_the_mixture() -> None:
    mixture = prior_mixture(8)
    frame = SharedFrame.of(mixture)
    assert_close(frame.mean, to_shared(mixture.mean()))
    assert_close(frame.std, to_shared(mixture.covariance().diagonal()).sqrt())
    points = shared()
    assert_close(frame.normalise(frame.restore(points)), points)
    jacobian = torch.autograd.functional.jacobian(frame.normalise, points[0])
    assert_close(frame.log_volume(), torch.linalg.slogdet(jacobian).logabsdet)


def test_frame_is_batched() -> None:
    mixture = prior_mixture(4)
    batch = Mixture(*(torch.stack((v, v + 0.1)) for v in (mixture.logits, mixture.means, mixture.log_stds)))
    assert_close(SharedFrame.of(batch).mean[0], SharedFrame.of(mixture).mean)
    assert SharedFrame.of(batch).std.shape == (2, SHARED_DIM)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="theta"):
        to_shared(torch.zeros(14))
    with pytest.raises(ShapeError, match="shared"):
        from_shared(torch.zeros(26), generator())
