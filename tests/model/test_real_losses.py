"""Losses of real targets against scikit-learn, derivatives and dense Hessians."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance, r2_score

from skgn.model.losses import Squared
from skgn.model.real_losses import Absolute, Gamma, Poisson

LOSSES = {"poisson": Poisson(), "gamma": Gamma(), "absolute": Absolute(0.3)}
KINDS = [(name, K) for name in LOSSES for K in (1, 3)]


def draw(name, K, m=9, seed=0):
    """Return Z and targets."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(m, K))
    if name == "poisson":
        return Z, rng.poisson(1.5, size=(m, K)).astype(float)
    if name == "gamma":
        return Z, rng.gamma(2.0, size=(m, K))
    return Z, 2 * rng.normal(size=(m, K))


@pytest.fixture(params=KINDS, ids=lambda p: f"{p[0]}-{p[1]}")
def kind(request):
    return request.param


def test_values_are_half_the_deviances():
    Z, y = draw("poisson", 1, m=50)
    assert (y == 0).any()
    half = 0.5 * mean_poisson_deviance(y, np.exp(Z))
    assert LOSSES["poisson"].pointwise(Z, y).loss.mean() == pytest.approx(half, rel=1e-12)
    Z, y = draw("gamma", 1, m=50)
    half = 0.5 * mean_gamma_deviance(y, np.exp(Z))
    assert LOSSES["gamma"].pointwise(Z, y).loss.mean() == pytest.approx(half, rel=1e-12)
    Z, y = draw("absolute", 1, m=50)
    mean = np.mean(np.abs(Z - y))
    assert Absolute(1e-9).pointwise(Z, y).loss.mean() == pytest.approx(mean, rel=1e-8)
    smoothed = np.sqrt((Z - y) ** 2 + 0.09) - 0.3
    assert_allclose(LOSSES["absolute"].pointwise(Z, y).loss, smoothed[:, 0], rtol=1e-12)


def test_residual_is_the_derivative(kind):
    name, K = kind
    Z, y = draw(*kind)
    loss, h = LOSSES[name], 1e-6
    for k in range(K):
        e = h * np.eye(K)[k]
        slope = (loss.pointwise(Z + e, y).loss - loss.pointwise(Z - e, y).loss) / (2 * h)
        assert_allclose(loss.pointwise(Z, y).residual[:, k], slope, atol=1e-8)


def test_curvature(kind):
    """The derivative of the residual; of the absolute error, that of a bound."""
    name, K = kind
    Z, y = draw(*kind)
    loss, h = LOSSES[name], 1e-6
    at = loss.pointwise(Z, y)
    R = np.random.default_rng(1).normal(size=Z.shape)
    if name == "absolute":
        r = Z - y
        assert_allclose(at.spread, 1 / np.sqrt(r**2 + 0.09))
        for step in np.linspace(-5, 5, 41):  # the parabola lies above the loss
            moved = loss.pointwise(Z + step, y).loss
            bound = at.loss + (at.residual * step + at.spread * step**2 / 2).sum(axis=1)
            assert np.all(moved <= bound + 1e-12)
    else:
        above, below = (loss.pointwise(Z + s * R, y).residual for s in (h, -h))
        assert_allclose(loss.hessian_product(at, R), (above - below) / (2 * h), atol=1e-7)
    B = loss.hessian_sqrt(at)
    assert B.shape == (loss.root_columns(K), *Z.shape)
    H = np.einsum("cik,cil->ikl", B, B)
    assert_allclose(np.einsum("ikl,il->ik", H, R), loss.hessian_product(at, R))
    assert_allclose(np.trace(H, axis1=1, axis2=2), loss.trace(at))
    signs = np.sign(R)
    outer = loss.sampled_root(at, signs) ** 2
    assert_allclose(outer, at.spread)
    assert_allclose(loss.working_residual(at) * at.spread, at.residual)
    assert loss.center(at, R) is R


@pytest.mark.parametrize("loss", [Squared(), *LOSSES.values()])
def test_as_functions_of_the_mean(loss):
    """The same losses, with their derivatives in the mean; no curvature is negative."""
    name = next((name for name, own in LOSSES.items() if own is loss), "absolute")
    Z, y = draw(name, 2)
    P, h = loss.prediction(Z), 1e-6
    at = loss.of_mean(P, y)
    assert_allclose(at.loss, loss.pointwise(Z, y).loss, rtol=1e-12)
    for k in range(2):
        e = h * np.eye(2)[k]
        slope = (loss.of_mean(P + e, y).loss - loss.of_mean(P - e, y).loss) / (2 * h)
        assert_allclose(at.residual[:, k], slope, rtol=1e-7, atol=1e-8)
    assert np.all(at.spread > 0)
    # that of Z, by the change of variables
    slope = P if loss.out_activation == "exponential" else 1
    assert_allclose(at.spread * slope**2, loss.pointwise(Z, y).spread, rtol=1e-12)


def test_means_of_zero_are_finite():
    """Those that a logarithmic link has underflown to, of counts of zero."""
    at = LOSSES["poisson"].of_mean(np.zeros((3, 1)), np.array([[0.0], [1.0], [5.0]]))
    assert np.isfinite(at.loss).all() and np.isfinite(at.residual).all()
    assert at.loss[0] < 1e-100 < at.loss[1] < at.loss[2]


@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_no_cancellation_near_a_perfect_fit(name):
    """The loss of a relative error d is about y d² / 2, or d² / 2."""
    y = np.array([[3.0], [1e-3], [1e5]])
    for d in (1e-6, 1e-9):
        at = LOSSES[name].pointwise(np.log(y) + d, y)
        scale = y if name == "poisson" else np.ones_like(y)
        seen = np.log(y) + d - np.log(y)  # d, rounded
        assert_allclose(at.loss, (scale * seen**2 / 2)[:, 0], rtol=1e-5)
        assert_allclose(at.residual, scale * seen, rtol=1e-5)


def test_precision_is_kept(kind):
    name, _ = kind
    Z, y = (a.astype(np.float32) for a in draw(*kind))
    at = LOSSES[name].pointwise(Z, y)
    assert {at.loss.dtype, at.residual.dtype, at.spread.dtype} == {np.dtype("float32")}
    assert LOSSES[name].hessian_sqrt(at).dtype == np.float32


def test_mean_link(kind):
    """Of the best constant prediction of the mean."""
    name, K = kind
    mean = np.linspace(0.5, 2, K)
    loss = LOSSES[name]
    assert_allclose(loss.prediction(loss.mean_link(mean)), mean)


def test_a_mean_of_zero_is_finite():
    assert np.isfinite(LOSSES["poisson"].mean_link(np.zeros(1))).all()


@pytest.mark.parametrize(
    "loss", [Squared(), *LOSSES.values()], ids=lambda l: type(l).__name__
)
def test_score_is_scikit_learns(loss):
    rng = np.random.default_rng(0)
    Z, y, w = rng.normal(size=(30, 2)), rng.gamma(2, size=(30, 2)), rng.uniform(size=30)
    expected = r2_score(y, loss.prediction(Z), sample_weight=w)
    assert loss.score(Z, y, w / w.sum()) == pytest.approx(expected)
    y[:] = 1.0
    expected = r2_score(y, loss.prediction(Z), sample_weight=w)
    assert loss.score(Z, y, w / w.sum()) == expected


@pytest.mark.parametrize("name", LOSSES)
def test_no_probabilities(name):
    with pytest.raises(TypeError, match="no probabilities"):
        LOSSES[name].log_prediction(np.zeros((1, 1)))
    with pytest.raises(TypeError, match="no probabilities"):
        LOSSES[name].log_likelihood(*draw(name, 1))
