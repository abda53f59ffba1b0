r"""Kronecker-factored layer blocks as running averages over batches.

The blocks are those of :mod:`skgn.steps.kronecker`. What a batch cannot give exactly is
averaged: at the k-th refresh a batch's factors enter with the share ``1 - ρ_k``,

    S_l <- ρ_k S_l + (1 - ρ_k) S_l(batch),      ρ_k = min(0.95, 1 - 2 / (k + 2)),

and the same for ``Γ_l``: first a mean that gives the latest batches the most weight,
since the first were seen at the initial weights, then an exponential one. ``Γ_l`` takes
one backward pass, of ``C ε`` with ``C C' = H`` and random signs ε, whose outer product
has the mean H; with a single output it is exact. ``S_1`` is known from the rows and
handed in.

A direction is the negative gradient times the inverse blocks, with the damping split
between the two sides (:mod:`skgn.linalg.split_block`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skgn.linalg.kronecker import Factor
from skgn.linalg.spectrum import BlockSpectrum, spectra_of
from skgn.linalg.split_block import SplitBlock
from skgn.linalg.triangle import packed, unpacked
from skgn.model.evaluation import Evaluation
from skgn.typing import Array

#: Largest share that the past keeps at a refresh.
MEMORY = 0.95

#: Steps between two refreshes, after the first few.
REFRESH = 20

#: The first refreshes, where weights and curvature change fast.
EARLY = (0, 1, 2, 4, 8, 14)

#: Attributes that are lists of symmetric matrices.
AVERAGES = ("input_grams", "output_grams")


class RunningFactors:
    """Averaged factors and the directions they give.

    Parameters
    ----------
    input_factor : Factor or None
        Of ``S_1``; None where it is to be replaced before the next step.
    damping : float
        λ, to which the penalty is added.
    """

    def __init__(self, input_factor: Factor | None, damping: float):
        self.input_factor = input_factor
        self.damping = damping
        self.steps = 0
        self.refreshes = 0
        self.input_grams: list[Array] = []
        self.output_grams: list[Array] = []
        self.blocks: list[SplitBlock] = []
        self.known_spectra: list[BlockSpectrum] = []

    def direction(self, here: Evaluation, random_state: np.random.RandomState) -> Array:
        """Return the preconditioned negative gradient of a batch, flat, as a new array.

        Raises
        ------
        LinAlgError
            If a factor is not finite.
        """
        if self.is_due:
            self._refresh(here, random_state)
        self.steps += 1
        network = here.objective.network
        direction = np.empty_like(here.theta)
        pairs = zip(network.layers(direction), network.layers(here.gradient), strict=True)
        for block, (D, G) in zip(self.blocks, pairs, strict=True):
            np.negative(block.solve(G), out=D)
        return direction

    #: Steps between two refreshes, after the first few.
    refresh = REFRESH

    @property
    def is_due(self) -> bool:
        """Whether the next batch's factors will be taken in."""
        return self.steps in EARLY or self.steps % self.refresh == 0

    @property
    def factors(self) -> list[tuple[Array | Factor, Array]]:
        """``S_l`` and ``Γ_l`` of each layer; none before the first step."""
        if not self.output_grams:
            return []
        assert self.input_factor is not None
        inputs: list[Array | Factor] = [self.input_factor, *self.input_grams]
        return list(zip(inputs, self.output_grams, strict=True))

    @property
    def spectra(self) -> list[BlockSpectrum]:
        """Eigenvalues of the layers' blocks, intercepts projected out.

        None where they are not finite.
        """
        if not self.known_spectra:
            self.known_spectra = spectra_of(self.factors)
        return self.known_spectra

    def replace_input_factor(self, factor: Factor) -> None:
        """Take another factor of ``S_1``, from the next refresh on, which is the next."""
        self.input_factor = factor
        self.steps += -self.steps % REFRESH

    def rest(self) -> None:
        """Let go of the input factor, and of what the next refresh finds anew."""
        self.input_factor, self.blocks, self.known_spectra = None, [], []

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes; of the averages the lower triangles."""
        own = {name: [packed(G) for G in getattr(self, name)] for name in AVERAGES}
        return {**vars(self), **own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the attributes."""
        RunningFactors.__init__(self, state["input_factor"], state["damping"])
        if unknown := state.keys() - vars(self).keys():
            raise ValueError(f"there are no attributes {sorted(unknown)}")
        own = {name: [unpacked(G) for G in state[name]] for name in AVERAGES}
        self.__dict__.update({**state, **own})

    def _refresh(self, here: Evaluation, random_state: np.random.RandomState) -> None:
        past = min(MEMORY, 1 - 2 / (self.refreshes + 2))
        self.refreshes += 1
        self.input_grams = _average(self.input_grams, here.input_grams(), past)
        sampled = here.sampled_output_grams(random_state)
        self.output_grams = _average(self.output_grams, sampled, past)
        damping = self.damping + here.objective.alpha
        self.blocks = [SplitBlock.of(*pair, damping) for pair in self.factors]
        self.known_spectra = []


def _average(old: Sequence[Array], new: Sequence[Array], past: float) -> list[Array]:
    if not old:
        return list(new)
    averaged = []
    for target, fresh in zip(old, new, strict=True):
        target *= target.dtype.type(past)
        fresh *= fresh.dtype.type(1 - past)
        target += fresh
        averaged.append(target)
    return averaged
