r"""The Gauss-Newton step over all layers together, with geodesic acceleration.

**The step.** The outputs ``Z_L`` of all rows have the Jacobian J in the weights. With the
Hessian H of the loss in ``Z_L``, row weights ω of sum 1 and the penalty alpha on weights
but not on intercepts (a diagonal matrix A of alpha and zeros), the complete Gauss-Newton
matrix of all N weights, under a damping λ, gives

    G = Σ_i ω_i J_i' H_i J_i,       d = -(G + A + λ I)^-1 ∇f.

With ``H = B B'``, G is the Gram matrix of the rows ``sqrt(ω_i) B_i' J_i``: the columns of
B sent back through the layers (:mod:`skgn.steps.kronecker`), times the inputs of each
layer. Nothing is factored or averaged. With the squared error this is the algorithm of
Levenberg and Marquardt, with the log-loss it is Fisher's scoring, damped.

G squares the condition number of J. That loses the directions whose eigenvalues are below
machine epsilon times the largest, which a damping above it holds back anyway; the
gradient, which is not made of G, keeps its digits. A triangular factor of the rows
themselves, by Householder's reflections, took as many iterations to errors of 1e-6 and
of 1e-8, within one, and twice the time. Where Cholesky's factorisation fails, the damping
is too small, and more is tried.

**Acceleration.** Where a smooth function is fitted closely, the curvature of the network
keeps steps short: along d the outputs are ``Z + J d t + Z̈ t² / 2``, and the last term is
soon as large as the residual that d is to remove. The correction that makes up for it is
the same damped problem with another residual (Transtrum & Sethna, arXiv:1201.5885):

    a = -½ (G + A + λ I)^-1 J' ω H Z̈,        θ <- θ + d + a,

with ``Z̈`` by the difference of the outputs at a tenth of d. It takes a forward and a
backward pass, and no further factorisation. Where ``2 ‖a‖ > ¾ ‖d‖`` it is left out, since
the expansion says nothing so far away. The model's promise is that along d: a cancels
the second change of the outputs as far as weights can.

Iterations to a root mean squared error of 1e-6 of the range of y, 500 points without
noise, tanh, ten seeds (``examples/benchmarks/smooth.py``), and the median error after 200
iterations where it is not:

================================  ======================  ==========================
function, hidden layers           with a                  without
================================  ======================  ==========================
sine, (20,)                       45 to 100               none; 2.7e-6
sine, (20, 20)                    25 to 46                75 to 175, and one not
Franke's, (20, 20)                130 to 178              none; 1.6e-5
polynomial, 5 features, (20, 20)  126 to 146              none; 2.3e-5
================================  ======================  ==========================

With hidden intercepts that begin at zero the sine takes 107 to 131 and 67 to 85
iterations. A damping that falls to a fifth instead of a third took more iterations, and
limits of a from 0.4 to 1.5 about as many; Marquardt's scale, the diagonal of G in the
place of I, took fewer for the sine with one layer, more with two, and did not always get
there on the polynomial. Moving the last layer to its minimum at
each trial (variable projection) fits the sine in 1 and 16 iterations and the others in
84 to 144, but the squared error alone allows it.

**Evidence.** It asks for the eigenvalues of G with the intercepts b projected out, those
of the Schur complement ``G_ww - G_wb G_bb^+ G_bw`` of the weights w
(:mod:`skgn.training.evidence`). Here they are exact.

Cost: ``m c N² / 2`` multiplications for G, with c columns of B, and ``N³ / 6`` for each
factorisation; memory for a few matrices of side N, and for ``Ã_0``, dense. Hence
:data:`MOST_WEIGHTS`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skgn.linalg.lapack import lapack
from skgn.linalg.spectrum import BlockSpectrum
from skgn.model.evaluation import Evaluation, Tangent
from skgn.model.network import Network
from skgn.steps.proposal import Proposal
from skgn.typing import Array

#: Largest number of weights, intercepts included: matrices of 128 MiB.
MOST_WEIGHTS = 4096

#: Fraction of a direction at which the outputs are looked at for their second change.
LOOK_AHEAD = 0.1

#: Longest acceleration, twice its norm, relative to the direction.
MOST_BENT = 0.75

#: Damping, as a share of the largest curvature, that factorisations in float64 need.
FLOOR_SHARE = 1e-16


class LevenbergMarquardtStep:
    """Propose damped Gauss-Newton steps of all weights together."""

    def __init__(self) -> None:
        self.matrix: Array | None = None
        self.network: Network | None = None
        self.largest_curvature = 0.0
        self.known_spectra: list[BlockSpectrum] = []
        self.prepared: Evaluation | None = None

    def propose(self, here: Evaluation, damping: float) -> Proposal:
        """Propose the damped step, with its acceleration where that is short."""
        if self.prepared is not here:
            self._prepare(here)
        root = self._factor(here, damping)
        gradient = here.gradient.astype(np.float64)
        own = -_solve(root, gradient)
        direction = own.astype(here.theta.dtype)
        if not np.isfinite(direction).all():
            raise np.linalg.LinAlgError("a direction is not finite")
        Z1_dot = here.first_change(direction)
        tangent = here.tangents([direction], [Z1_dot])[0]
        slope = float(gradient @ own)
        potential = -0.5 * slope
        if damping > self.largest_curvature > 0:
            root_of_less = self._factor(here, self.largest_curvature)
            potential = 0.5 * float(gradient @ _solve(root_of_less, gradient))
        step = self._accelerated(here, tangent, root)
        if step is not direction:
            Z1_dot = here.first_change(step)
        return Proposal(
            step=step,
            Z1_dot=Z1_dot,
            slope=slope,
            curvature=float(here.gauss_newton([tangent])[0, 0]),
            potential=potential,
        )

    def accept(self, proposal: Proposal) -> None:
        """Nothing is kept from step to step."""

    def rest(self) -> None:
        """Let go of what the next proposal, at whatever weights, makes anew."""
        self.prepared = self.matrix = None

    @property
    def spectra(self) -> Sequence[BlockSpectrum]:
        """Eigenvalues of the matrix last seen, intercepts projected out.

        None where they are not finite.
        """
        if not self.known_spectra and self.matrix is not None:
            assert self.network is not None
            values = _without(self.matrix, _intercepts(self.network))
            if values is not None:
                self.known_spectra = [BlockSpectrum(values, np.ones(1))]
        return self.known_spectra

    def _prepare(self, here: Evaluation) -> None:
        """Do the work that does not depend on the damping."""
        self.network = here.objective.network
        self.matrix = here.gauss_newton_matrix()
        # a bound of the largest eigenvalue that is the same in any coordinates
        unit = self.matrix.diagonal().max()
        norm = np.linalg.norm(self.matrix / unit) if unit > 0 else 0.0
        self.largest_curvature = float(norm * unit)
        self.known_spectra = []
        self.prepared = here

    def _factor(self, here: Evaluation, damping: float) -> Array:
        """Return Cholesky's factor of the damped matrix."""
        assert self.matrix is not None and self.network is not None
        M = self.matrix.copy()
        diagonal = np.full(len(M), damping + here.objective.alpha)
        diagonal[_intercepts(self.network)] = damping
        M.reshape(-1)[:: len(M) + 1] += diagonal
        if not np.isfinite(M).all():
            raise np.linalg.LinAlgError("the Gauss-Newton matrix is not finite")
        # of the transpose, the same matrix, which LAPACK need not copy
        root, failed = lapack("potrf", M.dtype)(M.T, overwrite_a=True, clean=False)
        if failed:
            raise np.linalg.LinAlgError("the damped matrix is not positive definite")
        return root

    def _accelerated(self, here: Evaluation, tangent: Tangent, root: Array) -> Array:
        """Return the step with its acceleration, or without where that is long."""
        step = tangent.direction
        bend = here.bend(tangent, LOOK_AHEAD).astype(np.float64)
        if not np.isfinite(bend).all():
            return step
        change = (-0.5 * _solve(root, bend)).astype(step.dtype)
        if not 2 * np.linalg.norm(change) <= MOST_BENT * np.linalg.norm(step):
            return step
        return step + change


def _solve(root: Array, right: Array) -> Array:
    """Return the solution of a system whose Cholesky factor is known."""
    solution, _ = lapack("potrs", root.dtype)(root, right)
    return solution


def _intercepts(network: Network) -> NDArray[np.bool_]:
    """Return which of the flat weights are intercepts."""
    which = np.zeros(network.size, bool)
    for place in network.intercepts:
        which[place] = True
    return which


def _without(matrix: Array, which: NDArray[np.bool_]) -> Array | None:
    """Return the eigenvalues of a semi-definite matrix, some coordinates projected out.

    None if they are not finite. Those at rounding are zero.
    """
    if not np.isfinite(matrix).all():
        return None
    tiny = np.finfo(matrix.dtype).eps * len(matrix)
    values, vectors = np.linalg.eigh(matrix[np.ix_(which, which)])
    known = values > tiny * values[-1]
    half = matrix[np.ix_(~which, which)] @ vectors[:, known] / np.sqrt(values[known])
    own = np.linalg.eigvalsh(matrix[np.ix_(~which, ~which)] - half @ half.T)
    own[own <= tiny * max(own.max(initial=0.0), matrix.diagonal().sum())] = 0
    return own
