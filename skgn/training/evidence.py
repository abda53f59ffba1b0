r"""The penalty by the evidence: how much of it the data themselves ask for.

**Derivation.** The objective times m, the sum of the raw row weights, is minus the
logarithm of a posterior density: ``m cost`` is minus the log-likelihood, and the penalty
``(m alpha / 2) ‖W‖²`` minus the logarithm of a Gaussian prior of precision ``m alpha``
per weight. With the integral over the weights taken at the minimum by Laplace's method,
the evidence, the probability of the labels given alpha, has the logarithm

    log p(y | alpha) ≈ -m cost - (m alpha / 2) ‖W‖² + (N/2) log alpha
                       - ½ log det(H + alpha I) + const,

with H the Gauss-Newton matrix of the cost over the N penalised weights (intercepts, which
have no prior, projected out). Its derivative in ``log alpha`` vanishes where

    m alpha ‖W‖² = γ,      γ = tr H (H + alpha I)^-1 = Σ_i e_i / (e_i + alpha),

e the eigenvalues of H: the number of well-determined parameters (MacKay, Neural
Computation 4, 1992; Foresee & Hagan, ICNN 1997, for networks). A weight that the data
determine counts 1, one that the prior holds counts 0; the prior's variance 1/(m alpha) is
then the mean square of the weights, each determined one having used up one of m ‖W‖². So

    alpha <- τ γ(alpha) / (m ‖W‖²),      averaged half and half with the old one in log.

The eigenvalues are those of the Kronecker blocks that the step has at hand
(:mod:`skgn.linalg.spectrum`), ``e_pq = c_p g_q``. All layers share one alpha: with one
each, scale flows from layer to layer, which the output does not notice, until one penalty
is huge and the other zero.

**Noise.** A cost of real targets has the unit of their noise: the likelihood of m rows
is ``exp(-m cost / φ) / φ^(m K / 2)``, with the variance φ of each of K outputs where the
error is squared (:mod:`skgn.model.real_losses` has the other losses). With the precision
``m alpha / φ`` of the prior, the same two derivatives vanish where

    φ = 2 m cost / (m K - γ),      m alpha ‖W‖² = φ γ.

The first is taken with γ at the present alpha, and at most nine tenths of ``m K``.

**No collapse.** Smaller weights call for a larger alpha, and that for smaller weights:
the iteration may run away to the constant prediction, where the objective is the cost
``c_0`` of that, before deep layers have learned anything. Hence a bound, under which the
objective stays below ``c_0``:

    (alpha / 2) ‖W‖² <= c_0 - cost.

**τ < 1.** The equation charges too much where classes separate cleanly. In part that is
the Kronecker product, which spreads curvature over more directions than have it: at the
solution, γ of the exact Gauss-Newton matrix was .5 to .8 of it on eight tables. But those
tables' best penalties lie up to a thousand times lower, and so it is the Gaussian prior
and the parabola that do not fit. τ = 0.4 gave the lowest log-loss over 21 tables of
150 to 500 rows: 7 to 9 % above the best of seven fixed penalties, which one knows only
afterwards, where τ = 1 is 12 to 15 % above. Where rows can be spared, held-out ones find
the rest of the way (:mod:`skgn.fitting.relaxation`), from τ = 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skgn.linalg.spectrum import BlockSpectrum, shrunk_sum

#: τ where nothing but the evidence chooses alpha.
TEMPERED = 0.4

#: Bounds of alpha; the lower one of real targets, which may have no noise.
LEAST, MOST = 1e-6, 10.0
LEAST_OF_REAL = 1e-12

#: Largest share of the targets that counts as used up by parameters.
USED_UP = 0.9

#: alpha that a fit begins with.
INITIAL = 1e-3


def effective_parameters(spectra: Sequence[BlockSpectrum], alpha: float) -> float:
    """Return γ, or NaN where no eigenvalues are known."""
    return shrunk_sum(spectra, alpha) if spectra else np.nan


@dataclass
class Evidence:
    """The fixed-point iteration for alpha.

    Parameters
    ----------
    total_weight : float
        m, the sum of the raw row weights.
    null_cost : float
        Cost of the best constant prediction.
    share : float
        τ.
    wait : int
        Iterations at the start, whose weights say nothing yet, that change nothing.
    dispersion : float or None
        Numerator of the estimate of φ: 2 above. None where φ is one.
    n_outputs : int
        K.
    """

    total_weight: float
    null_cost: float
    share: float = 1.0
    wait: int = 3
    dispersion: float | None = None
    n_outputs: int = 1
    seen: int = 0

    @property
    def least(self) -> float:
        """Smallest alpha."""
        return LEAST if self.dispersion is None else LEAST_OF_REAL

    def noise(self, cost: float, determined: float) -> float:
        """Return φ at a cost, with so many parameters determined."""
        if self.dispersion is None:
            return 1.0
        total = self.total_weight * self.n_outputs
        left = total - min(determined, USED_UP * total)
        return self.dispersion * self.total_weight * cost / left

    def next(
        self,
        alpha: float,
        spectra: Sequence[BlockSpectrum],
        squared_norm: float,
        cost: float,
    ) -> float:
        """Return alpha after an iteration or epoch.

        Parameters
        ----------
        alpha : float
            Before it.
        spectra : sequence of BlockSpectrum
            Of the layers' blocks, intercepts projected out.
        squared_norm : float
            ``Σ_l ‖W_l‖²``.
        cost : float
            Without the penalty.
        """
        self.seen += 1
        if self.seen <= self.wait:
            return alpha
        determined = effective_parameters(spectra, alpha)
        if not np.isfinite(determined) or squared_norm == 0:
            return alpha
        learned = max(self.null_cost - cost, 0.0)
        used = self.share * determined * self.noise(cost, determined) / self.total_weight
        target = min(used, 2 * learned) / squared_norm
        return float(np.sqrt(alpha * min(max(target, self.least), MOST)))
