"""Eigenvalues of Kronecker blocks without the first input coordinate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.linalg.kronecker import Factor
from skgn.linalg.spectrum import BlockSpectrum, shrunk_sum, spectra_of, without_first
from skgn.linalg.tridiagonal import Tridiagonal


def second_moments(side, centred, seed=0):
    """Return a matrix of second moments, a column of ones in front."""
    X = np.random.default_rng(seed).normal(size=(40, side - 1)) + 1.5
    X[:, 1] = 2 * X[:, 0]
    if centred:
        X -= X.mean(axis=0)
    tilde = np.hstack([np.ones((40, 1)), X])
    return tilde.T @ tilde / 40


def dense_sum(S, gamma, alpha):
    """Return ``tr C (C + alpha I)^-1`` of the Schur complement C of ``S ⊗ Γ``."""
    B, h = np.kron(S, gamma), len(gamma)
    C = B[h:, h:] - B[h:, :h] @ np.linalg.pinv(B[:h, :h]) @ B[:h, h:]
    return np.trace(C @ np.linalg.inv(C + alpha * np.eye(len(C))))


@pytest.mark.parametrize("kind", ["matrix", "factor", "float32"])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
def test_sum_is_the_trace_of_the_dense_block(kind, centred, alpha):
    """However the input side is known, for either form of the output side."""
    S = second_moments(6, centred)
    A = np.random.default_rng(1).normal(size=(7, 20))
    gamma = A @ A.T / 20
    side = {
        "matrix": S,
        "factor": Factor.decompose(S),
        "float32": Factor.decompose(S).astype(np.float32),
    }[kind]
    rtol = 1e-4 if kind == "float32" else 1e-8
    for output in (gamma, Factor.decompose(gamma), Tridiagonal.reduce(gamma)):
        spectrum = BlockSpectrum.of(side, output)
        assert_allclose(spectrum.shrunk_sum(alpha), dense_sum(S, gamma, alpha), rtol=rtol)


def test_bordered_factors():
    """The first coordinate of a diagonal or bordered factor is left out."""
    diagonal = Factor(np.array([1.0, 3.0, 2.0]), None)
    assert_allclose(without_first(diagonal), [3, 2])
    S = second_moments(5, centred=True)[1:, 1:]
    values = np.linalg.eigvalsh(S)
    actual = without_first(Factor.decompose(S).bordered(1.0))
    assert_allclose(np.sort(actual), values, atol=1e-12)


@pytest.mark.parametrize("centred", [False, True])
def test_truncated_factor(centred):
    """Its rest counts once per direction that it leaves out, less the first."""
    Q = np.linalg.eigh(second_moments(30, centred))[1]
    S = Q @ np.diag(np.r_[np.full(26, 0.2), 1, 2, 3, 40]) @ Q.T
    truncated = Factor(np.array([1.0, 2, 3, 40]), Q[:, 26:], 0.2)
    assert_allclose(truncated.to_dense(), S, atol=1e-10)
    gamma = np.diag([0.5, 2.0])
    expected = dense_sum(S, gamma, 0.3)
    spectrum = BlockSpectrum.of(truncated, gamma)
    # the first coordinate need not lie in the span: off by what it takes of the rest
    assert spectrum.shrunk_sum(0.3) == pytest.approx(expected, rel=0.05)
    assert spectrum.others == 26


def test_limits():
    """All eigenvalues that are not zero at alpha = 0; none at a huge one."""
    S = second_moments(6, centred=False)
    spectra = [BlockSpectrum.of(S, np.diag([1.0, 2.0, 0.0])), BlockSpectrum.of(S, S)]
    assert shrunk_sum(spectra, 1e-9) == pytest.approx(4 * 2 + 4 * 5, rel=1e-3)
    assert shrunk_sum(spectra, 1e12) < 1e-9
    exact = BlockSpectrum(np.array([1.0, 0.0]), np.array([2.0]))
    assert exact.shrunk_sum(0.0) == 1


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e200])
def test_spectra_that_are_not_finite_are_not_known(bad):
    """Nor are those of the other blocks then: their sum would mean nothing."""
    sound = np.diag([1.0, 2.0, 3.0])
    wrong = np.array([[1.0, bad, bad], [bad, bad, 1.0], [bad, 1.0, 2.0]])
    assert len(spectra_of([(sound, sound), (sound, sound)])) == 2
    assert spectra_of([(sound, sound), (wrong, sound)]) == []
