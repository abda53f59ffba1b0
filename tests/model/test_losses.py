"""Losses against numerical derivatives, closed forms and dense Hessians."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from tests import oracles
from tests.problems import LOSSES

EPS = np.finfo(np.float64).eps


def draw(name, K, m=7, spread=2.0, seed=0):
    """Return Z and targets."""
    rng = np.random.default_rng(seed)
    Z = spread * rng.normal(size=(m, K))
    if name == "multinomial":
        return Z, np.arange(m) % K
    if name == "bernoulli":
        return Z, (rng.uniform(size=(m, K)) < 0.5).astype(np.int8)
    return Z, rng.normal(size=(m, K))


LOSS_AND_K = [
    ("bernoulli", 1),
    ("bernoulli", 4),
    ("multinomial", 2),
    ("multinomial", 3),
    ("multinomial", 10),
    ("squared", 1),
    ("squared", 3),
]


@pytest.fixture(params=LOSS_AND_K, ids=lambda p: f"{p[0]}-{p[1]}")
def kind(request):
    return request.param


def test_loss_value(kind):
    """The loss of each row is that of the oracle."""
    name, K = kind
    Z, targets = draw(name, K)
    expected = [oracles.loss_row(name, z, y) for z, y in zip(Z, targets, strict=True)]
    assert_allclose(LOSSES[name].pointwise(Z, targets).loss, expected, rtol=1e-12)


def test_residual_is_the_derivative_of_the_loss(kind):
    """P - Y agrees with central differences of the loss."""
    name, K = kind
    Z, targets = draw(name, K)
    h = 1e-5
    expected = np.empty_like(Z)
    for k in range(K):
        e = h * np.eye(K)[k]
        above = LOSSES[name].pointwise(Z + e, targets).loss
        below = LOSSES[name].pointwise(Z - e, targets).loss
        expected[:, k] = (above - below) / (2 * h)
    assert_allclose(LOSSES[name].pointwise(Z, targets).residual, expected, atol=1e-8)


def test_residual_is_prediction_minus_target(kind):
    """With its canonical link every loss has the residual P - Y."""
    name, K = kind
    Z, targets = draw(name, K)
    Y = np.eye(K)[targets] if name == "multinomial" else targets
    expected = LOSSES[name].prediction(Z) - Y
    actual = LOSSES[name].pointwise(Z, targets).residual
    assert_allclose(actual, expected, atol=1e-14)


def test_hessian_product_is_the_derivative_of_the_residual(kind):
    """H R agrees with central differences of the residual along R."""
    name, K = kind
    Z, targets = draw(name, K)
    R = np.random.default_rng(1).normal(size=Z.shape)
    loss, h = LOSSES[name], 1e-5
    above = loss.pointwise(Z + h * R, targets).residual
    below = loss.pointwise(Z - h * R, targets).residual
    actual = loss.hessian_product(loss.pointwise(Z, targets), R)
    assert_allclose(actual, (above - below) / (2 * h), atol=1e-9)


def hessian_of(name, spread):
    """Return the dense H of one row, from p or p (1 - p), in float64."""
    if name != "multinomial":
        return np.diag(spread)
    H = -np.outer(spread, spread)
    for k in range(len(spread)):
        H[k, k] = spread[k] * np.delete(spread, k).sum()
    return H


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 200.0, 800.0])
def test_hessian_sqrt_is_exact(kind, scale, dtype):
    """B B' = H, to relative precision of the diagonal, also where rows are saturated."""
    name, K = kind
    Z, targets = draw(name, K, m=40, spread=scale)
    Z = np.clip(Z, -800, 800).astype(dtype)
    if name == "squared":
        targets = targets.astype(dtype)
    at = LOSSES[name].pointwise(Z, targets)
    B = LOSSES[name].hessian_sqrt(at)
    assert B.dtype == dtype
    assert B.shape == (LOSSES[name].root_columns(K), *Z.shape)
    assert np.isfinite(B).all()
    info = np.finfo(dtype)
    spread, B = at.spread.astype(np.float64), B.astype(np.float64)
    for i in range(len(Z)):
        H = hessian_of(name, spread[i])
        dense = B[:, i].T @ B[:, i]
        # relative to the diagonal, as far as the digits of denormal numbers do not count
        unit = np.sqrt(np.maximum(np.diag(H), info.tiny / info.eps))
        error = np.abs(dense - H) / np.outer(unit, unit)
        assert error.max() <= 8 * K * info.eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 200.0])
def test_spread_determines_the_hessian(kind, scale, dtype):
    """The stored spread is p or p (1 - p) of the oracle, to rounding."""
    name, K = kind
    Z, targets = draw(name, K, m=40, spread=scale)
    Z = Z.astype(dtype)
    spread = LOSSES[name].pointwise(Z, targets).spread
    eps = np.finfo(dtype).eps
    for i, z in enumerate(Z.astype(np.float64)):
        H = oracles.loss_hessian(name, z)
        assert_allclose(hessian_of(name, spread[i].astype(float)), H, atol=K * eps)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_trace_of_the_hessian(kind, scale):
    """tr H row by row."""
    name, K = kind
    Z, targets = draw(name, K, m=40, spread=scale)
    trace = LOSSES[name].trace(LOSSES[name].pointwise(Z, targets))
    expected = [np.trace(oracles.loss_hessian(name, z)) for z in Z]
    assert_allclose(trace, expected, rtol=1e-9, atol=K * EPS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("t", [5.0, 12.0, 20.0, 32.0, 60.0])
@pytest.mark.parametrize("y", [0, 1])
def test_trace_keeps_the_digits_of_certain_rows(t, y, dtype):
    """With z = (t, 0, 0), p = (1, q, q) / (1 + 2 q): tr H = (4 q + 2 q²) / (1 + 2 q)²."""
    loss, q = LOSSES["multinomial"], np.exp(-t)
    trace = loss.trace(loss.pointwise(np.array([[t, 0, 0]], dtype), np.array([y])))
    expected = (4 * q + 2 * q * q) / (1 + 2 * q) ** 2
    assert_allclose(trace[0], expected, rtol=16 * np.finfo(dtype).eps)


def test_center_removes_what_the_hessian_does_not_see(kind):
    """H center(R) = H R."""
    name, K = kind
    Z, targets = draw(name, K)
    R = np.random.default_rng(1).normal(size=Z.shape)
    loss = LOSSES[name]
    at = loss.pointwise(Z, targets)
    expected = loss.hessian_product(at, R)
    assert_allclose(loss.hessian_product(at, loss.center(at, R)), expected, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_outputs_stay_finite(kind, dtype):
    """Outputs of +-800 give finite numbers everywhere, without a warning."""
    name, K = kind
    Z, targets = draw(name, K, m=30)
    Z = (800 * np.sign(Z)).astype(dtype)
    if name == "squared":
        targets = targets.astype(dtype)
    loss = LOSSES[name]
    at = loss.pointwise(Z, targets)
    for part in (at.loss, at.residual, at.spread, loss.prediction(Z)):
        assert part.dtype == dtype
        assert np.isfinite(part).all()
    assert np.isfinite(loss.hessian_product(at, np.ones_like(Z))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("t", [5.0, 20.0, 32.0, 60.0])
def test_multinomial_keeps_the_digits_of_certain_rows(t, dtype):
    """With z = (t, 0, 0): loss log1p(2 e^-t), residual -2 e^-t / (1 + 2 e^-t)."""
    Z = np.array([[t, 0, 0]], dtype=dtype)
    at = LOSSES["multinomial"].pointwise(Z, np.array([0]))
    r = 2 * np.exp(-t)
    rtol = 8 * np.finfo(dtype).eps
    assert_allclose(at.loss[0], np.log1p(r), rtol=rtol)
    assert_allclose(at.residual[0, 0], -r / (1 + r), rtol=rtol)
    assert_allclose(at.residual[0, 1], 0.5 * r / (1 + r), rtol=rtol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("t", [5.0, 20.0, 32.0, 60.0])
def test_bernoulli_keeps_the_digits_of_certain_rows(t, y, dtype):
    """With log-odds t for the true value: loss log1p(e^-t), residual -+1 / (1 + e^t)."""
    sign = 2 * y - 1
    target = np.array([[y]], dtype=np.int8)
    at = LOSSES["bernoulli"].pointwise(np.array([[sign * t]], dtype), target)
    rtol = 8 * np.finfo(dtype).eps
    assert_allclose(at.loss[0], np.log1p(np.exp(-t)), rtol=rtol)
    assert_allclose(at.residual[0, 0], -sign / (1 + np.exp(t)), rtol=rtol)
    curvature = np.exp(-t) / (1 + np.exp(-t)) ** 2
    assert_allclose(at.spread[0, 0], curvature, rtol=rtol)


def test_wrong_certainty_costs_its_margin():
    """The loss is linear in the margin of a row that is certain and wrong."""
    Z = np.array([[700.0, 0.0, -50.0]])
    assert LOSSES["multinomial"].pointwise(Z, np.array([1])).loss[0] == 700
    z = np.array([[-700.0]])
    assert LOSSES["bernoulli"].pointwise(z, np.array([[1]])).loss[0] == 700
    right = LOSSES["bernoulli"].pointwise(-z, np.array([[1]]))
    assert right.loss[0] == pytest.approx(np.exp(-700), rel=1e-12)
    assert right.residual[0, 0] == pytest.approx(-np.exp(-700), rel=1e-12)
    right = LOSSES["multinomial"].pointwise(Z[:, :2], np.array([0]))
    assert right.loss[0] == pytest.approx(np.exp(-700), rel=1e-12)
    assert right.residual[0, 0] == pytest.approx(-np.exp(-700), rel=1e-12)


@pytest.mark.parametrize("name", ["bernoulli", "multinomial"])
def test_log_prediction_is_finite(name):
    """log P does not underflow where P does."""
    Z = np.array([[0.0, 1000.0, -1000.0]])
    log_p = LOSSES[name].log_prediction(Z)
    assert np.isfinite(log_p).all()
    Z = np.array([[0.5, -1.0, 2.0]])
    expected = np.log(LOSSES[name].prediction(Z))
    assert_allclose(LOSSES[name].log_prediction(Z), expected, rtol=1e-14)


def test_squared_has_no_log_prediction():
    """A squared error predicts no probability, and says so."""
    with pytest.raises(TypeError, match="squared"):
        LOSSES["squared"].log_prediction(np.zeros((1, 1)))


def test_mean_link_inverts_the_prediction():
    """A constant output predicts the given mean."""
    mean = np.array([0.2, 0.5, 0.3])
    for name, loss in LOSSES.items():
        Z = loss.mean_link(mean)[None]
        assert_allclose(loss.prediction(Z)[0], mean, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", ["bernoulli", "multinomial"])
def test_mean_link_of_a_pure_mean_is_finite(name):
    """A class that is absent starts as a rare one."""
    Z = LOSSES[name].mean_link(np.array([0.0, 1.0]))
    assert np.isfinite(Z).all()
    assert Z[0] < Z[1]


def test_losses_of_two_classes_agree():
    """Multinomial at (0, z) is Bernoulli at z."""
    z = np.linspace(-40, 40, 17)
    y = np.arange(17) % 2
    two = LOSSES["multinomial"].pointwise(np.stack([0 * z, z], axis=1), y)
    one = LOSSES["bernoulli"].pointwise(z[:, None], y[:, None])
    assert_allclose(two.loss, one.loss, rtol=8 * EPS)
    assert_allclose(two.residual[:, 1:], one.residual, rtol=8 * EPS)
    assert_array_equal(LOSSES["bernoulli"].prediction(z), expit(z))


# Working residual


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_working_residual_solves_for_the_error(kind, spread):
    """H E = P - Y with the E of minimum norm, where no prediction is clipped."""
    name, K = kind
    Z, targets = draw(name, K, m=20, spread=spread)
    at = LOSSES[name].pointwise(Z, targets)
    E = LOSSES[name].working_residual(at)
    assert E.shape == Z.shape
    for z, y, e in zip(Z, targets, E, strict=True):
        H = oracles.loss_hessian(name, z)
        error = oracles.prediction_error(name, z, y)
        assert_allclose(H @ e, error, rtol=1e-9, atol=1e-12)
        assert_allclose(e, np.linalg.pinv(H) @ error, rtol=1e-6, atol=1e-9)
        if name == "multinomial":
            assert abs(e.sum()) < 1e-12 * np.abs(e).max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_working_residual_of_the_squared_error(dtype):
    """The error itself: nothing is divided by."""
    Z = np.array([[1e4, -3.0]], dtype)
    at = LOSSES["squared"].pointwise(Z, np.array([[1.0, -1.0]], dtype))
    assert_array_equal(LOSSES["squared"].working_residual(at), [[9999.0, -2.0]])


def test_working_residual_is_a_new_array(kind):
    """Writing to it leaves the evaluation as it was."""
    name, K = kind
    Z, targets = draw(name, K)
    at = LOSSES[name].pointwise(Z, targets)
    residual, spread = at.residual.copy(), at.spread.copy()
    LOSSES[name].working_residual(at)[:] = 7
    assert_array_equal(at.residual, residual)
    assert_array_equal(at.spread, spread)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [10.0, 100.0, 1e4])
@pytest.mark.parametrize(("name", "K"), LOSS_AND_K[:-2])
def test_working_residual_is_bounded(name, K, scale, dtype):
    """However sure and wrong the net is, predictions are clipped at 2^-20."""
    rng = np.random.default_rng(0)
    Z, targets = draw(name, K, m=60)
    Z = scale * rng.choice([-1.0, 0.0, 1.0], size=Z.shape) + 0.1 * Z
    E = LOSSES[name].working_residual(LOSSES[name].pointwise(Z.astype(dtype), targets))
    assert E.dtype == dtype
    assert np.isfinite(E).all()
    assert np.abs(E).max() <= 2**20 + 4
    if scale > 10:
        assert np.abs(E).max() > 0.4 * 2**20


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_working_residual_of_certain_wrong_rows(dtype):
    """Sure and wrong: 1 / (q (1 - q)) with q = 2^-20, of the sign of the error."""
    q = 2.0**-20
    loss, Z = LOSSES["bernoulli"], np.array([[500.0, -500.0]], dtype)
    E = loss.working_residual(loss.pointwise(Z, np.array([[0, 1]], np.int8)))
    assert_allclose(E, [[1 / (q * (1 - q)), -1 / (q * (1 - q))]], rtol=1e-6)
    loss, Z = LOSSES["multinomial"], np.array([[500.0, 0, 0]], dtype)
    E = loss.working_residual(loss.pointwise(Z, np.array([1])))
    r = np.array([1 / (1 - q), -1 / q, 0])
    assert_allclose(E, [r - r.mean()], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["bernoulli", "multinomial"])
def test_working_residual_of_certain_right_rows_vanishes(name, dtype):
    """Unclipped it would be 1 in size; clipped it falls with the error."""
    sizes = []
    for t in (20.0, 30.0, 60.0, 1e4):
        Z = np.array([[t, -t, -t]], dtype)
        targets = np.array([0]) if name == "multinomial" else np.array([[1, 0, 0]])
        E = LOSSES[name].working_residual(LOSSES[name].pointwise(Z, targets))
        sizes.append(np.abs(E).max())
    assert sizes[0] < 0.01
    assert np.all(np.diff(sizes) <= 0)
    assert sizes[1] < 1e-6 and sizes[-1] < 1e-18


@pytest.mark.parametrize("scale", [1.0, 10.0, 30.0, 1e3])
def test_working_residuals_of_two_classes_agree(scale):
    """The entries of a softmax of two differ by Bernoulli's, clipped or not."""
    z = scale * np.random.default_rng(0).normal(size=40)
    y = np.arange(40) % 2
    two, one = LOSSES["multinomial"], LOSSES["bernoulli"]
    E = two.working_residual(two.pointwise(np.stack([0.3 + 0 * z, 0.3 + z], axis=1), y))
    expected = one.working_residual(one.pointwise(z[:, None], y[:, None]))
    assert_allclose(E[:, 1] - E[:, 0], expected[:, 0], rtol=1e-9, atol=1e-300)
