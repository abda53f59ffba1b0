r"""The layer-wise Gauss-Newton step with Kronecker-factored layer blocks.

The Gauss-Newton block of layer l is ``E[ã ã' ⊗ J_l' H J_l]`` with ``ã`` a row of
``Ã_{l-1}`` and ``J_l = ∂Z_L / ∂Z_l``. The two sides are averaged apart (Martens & Grosse,
ICML 2015):

    S_l = Σ_i ω_i h_i ã_i ã_i' / Σ_i ω_i h_i      input factor, side 1 + n_{l-1}
    Γ_l = Σ_i ω_i J_l' H J_l                      output factor, side n_l
    D_l = -(S_l ⊗ Γ_l + (λ + alpha) I)^-1 ∇V_l

with row weights ω of sum 1, damping λ and penalty alpha. The rows of ``S_l`` count by the
trace ``h_i = tr H_i`` of their loss Hessian, as in iteratively reweighted least squares:
a row that the net is sure of has no say in either factor. The product is the block itself
for a single row, and in a last layer whose Hessian varies over the rows by a factor only:
with a binary output, or a constant Hessian.

``S_1`` alone is taken with h = 1. It does not change during a fit then: its decomposition
is handed in. A net without hidden layers has no other factor, and there the exact weights
are worth a decomposition at each refresh: with a binary output the step is Newton's (on
the breast-cancer data at alpha = 0, a cost of 2e-5 after 30 iterations against 2e-2).
``alpha`` is charged to intercepts here too, which is harmless since the model below holds
the truth.

**Output factors** are exact up to :data:`MOST_PASSES` columns of the Hessian's root. With
``H = B B'``, each column of B is sent back through the layers like a gradient,
``δ_L = B``, ``δ_{l-1} = (δ_l W_l') ∘ g'_{l-1}``, and ``Γ_l = Σ ω_i δ_l δ_l'``: one pass
for a binary output, K - 1 for a softmax of K classes.
A refresh costs about as much as that many gradients, and stale factors do little harm
once the initial weights are left behind: the factors are refreshed after the first
accepted step and then every (number of passes) steps, ten at most.

Beyond, with many classes, these passes would be nearly all of the work. Then
:data:`SAMPLED` passes estimate the factors, of ``C ε`` with ``C C' = H`` and random signs
ε (:mod:`skgn.model.losses`), whose outer product has the mean H. Each row of each pass
adds a term of rank one, so that a factor of side 200 is the mean of 4,000 of them at
2,000 rows. The model that scales the step, and the objective that accepts it, stay exact.
(2,000 rows of 50 columns, 200 classes: 2.9 s instead of 19, a test log-loss of .405
against .398.)

**Rescaling.** All layers explain the same residual, so that their full steps together
overshoot. The step is the best combination ``a D + b P`` of the direction D and the
previous accepted step P (momentum without a parameter) under the exact, damped
Gauss-Newton model (:mod:`skgn.steps.combination`), with one Jacobian-vector product per
direction.

Cost beyond one gradient: the product ``Ã_0 D_1``, two Jacobian-vector products over the
deeper layers, and the share of a refresh. The trial that follows needs no product with
``Ã_0``.
"""

import numpy as np

from skgn.linalg.kronecker import Factor, KroneckerBlock
from skgn.linalg.spectrum import BlockSpectrum, spectra_of
from skgn.model.evaluation import Evaluation, Tangent
from skgn.steps.combination import best_combination
from skgn.steps.proposal import Proposal
from skgn.typing import Array

#: Columns of the Hessian's root up to which output factors are exact, and passes that
#: estimate them beyond.
MOST_PASSES, SAMPLED = 32, 2

#: Most accepted steps between two refreshes of the factors.
MAX_AGE = 10


class KroneckerStep:
    """Propose layer-wise Gauss-Newton steps.

    Parameters
    ----------
    input_factor : Factor
        Of ``S_1``, decomposed once per fit.
    passes : int
        Backward passes that the output factors take: columns of the Hessian's root.
    """

    def __init__(self, input_factor: Factor, passes: int):
        self.input_factor = input_factor
        self.random_state = None
        if passes > MOST_PASSES:
            self.random_state = np.random.RandomState(0)
        self.max_age = min(max(passes, 1), MAX_AGE)
        self.blocks: list[KroneckerBlock] = []
        self.inputs: list[Array | Factor] = []
        self.known_spectra: list[BlockSpectrum] = []
        self.steps = 0
        self.age = 0
        self.previous: Proposal | None = None
        self.momentum: list[Tangent] = []
        self.prepared: Evaluation | None = None
        self.arrays: list[Array] = []

    def propose(self, here: Evaluation, damping: float) -> Proposal:
        """Propose the best combination of a new direction and the previous step."""
        if self.prepared is not here:
            self._prepare(here)
        objective = here.objective
        network = objective.network
        direction = np.empty_like(here.theta)
        pairs = zip(network.layers(direction), network.layers(here.gradient), strict=True)
        for block, (D, G) in zip(self.blocks, pairs, strict=True):
            np.negative(block.solve(G, damping + objective.alpha), out=D)
        if not np.isfinite(direction).all():
            raise np.linalg.LinAlgError("a direction is not finite")
        spare = self._spare_array()
        Z1_dot = here.first_change(direction, out=spare)
        if spare is None:
            self.arrays.append(Z1_dot)
        P = self.previous
        if P is None or self.momentum:
            tangents = here.tangents([direction], [Z1_dot])
        else:
            tangents = here.tangents([direction, P.step], [Z1_dot, P.Z1_dot])
            self.momentum = tangents[1:]
        tangents = [tangents[0], *self.momentum]
        return best_combination(here, tangents, damping, self.largest_curvature)

    def accept(self, proposal: Proposal) -> None:
        """Keep the step for the next proposal."""
        self.previous = proposal
        self.steps += 1
        self.age += 1

    @property
    def samples(self) -> bool:
        """Whether the output factors are estimated."""
        return self.random_state is not None

    @property
    def refreshes_next(self) -> bool:
        """Whether the factors will be made anew at the next point it comes to."""
        return self._is_due(self.steps + 1, self.age + 1)

    def _is_due(self, steps: int, age: int) -> bool:
        return not self.blocks or steps == 1 or age >= self.max_age

    def rest(self) -> None:
        """Let go of what the next proposal, at whatever weights, makes anew."""
        self.prepared, self.momentum = None, []
        self.arrays = [] if self.previous is None else [self.previous.Z1_dot]

    def _spare_array(self) -> Array | None:
        """Return an array for ``Ż_1``, not that of the previous step, if there is one."""
        taken = None if self.previous is None else self.previous.Z1_dot
        return next((array for array in self.arrays if array is not taken), None)

    @property
    def largest_curvature(self) -> float:
        """Largest eigenvalue of all layer blocks."""
        return max(block.largest for block in self.blocks)

    @property
    def spectra(self) -> list[BlockSpectrum]:
        """Eigenvalues of the layer blocks last seen, intercepts projected out.

        None where they are not finite.
        """
        if not self.known_spectra:
            outputs = [block.output for block in self.blocks]
            self.known_spectra = spectra_of(list(zip(self.inputs, outputs, strict=True)))
        return self.known_spectra

    def _output_grams(self, here: Evaluation) -> list[Array]:
        """Return ``Γ_1 .. Γ_L``, or estimates of them."""
        if self.random_state is None:
            return here.output_grams()
        grams = here.sampled_output_grams(self.random_state)
        for _ in range(SAMPLED - 1):
            others = here.sampled_output_grams(self.random_state)
            for own, other in zip(grams, others, strict=True):
                own += other
        for own in grams:
            own /= SAMPLED
        return grams

    def _prepare(self, here: Evaluation) -> None:
        """Do the work that does not depend on the damping."""
        if self._is_due(self.steps, self.age):
            self.inputs = [self.input_factor, *here.input_grams()]
            if len(self.inputs) == 1 and self.input_factor.rest is None:
                self.inputs = [here.first_input_gram()]
            pairs = zip(self.inputs, self._output_grams(here), strict=True)
            self.blocks = [KroneckerBlock.of(S, gamma) for S, gamma in pairs]
            self.known_spectra = []
            self.age = 0
        self.momentum = []
        self.prepared = here
