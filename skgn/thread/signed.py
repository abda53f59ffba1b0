r"""The layers' steps with the signs of the negative gradient.

The safeguard that the thread names and did not try. Each component of the layers' steps
keeps its size and takes the sign of the negative gradient of the objective, penalty
included; it is zero where the gradient is. That makes D a direction of descent,

    ⟨∇, D⟩ = -Σ |∇_j| |D_j| < 0.

In layer 1 the components are those along the principal axes of the rows, the eigenvectors
of ``S_1``, in which its least-squares problem falls apart into one for each axis. On the
thread's pictures, 12,288 columns, the fit of a net 7-1 is at a cost of 1e-17 after 40
iterations with these components and at 1e-2 with those along the columns; on the digits
either takes 10 to 20 iterations to 1e-3. Nor do they depend on the coordinates in which
the layer is trained. Where ``S_1`` is truncated they are those along the columns.

D has no good length yet: a fraction of it that suits the units whose error was divided
by the smallest derivatives hardly moves the others. So each unit's step gets a length of
its own, and the previous accepted step P a share, from the exact Gauss-Newton model under
the loop's damping (:mod:`skgn.thread.unit_lengths`).

Where units saturate, these directions may hardly contain the gradient, and promise little
far from any minimum. What the loop compares with `tol` is therefore the larger of their
promise and that of the gradient alone.
"""

from collections.abc import Sequence

import numpy as np

from skgn.linalg.spectrum import BlockSpectrum
from skgn.model.evaluation import Evaluation
from skgn.steps.combination import Model
from skgn.steps.proposal import Proposal
from skgn.thread.layerwise import LayerEquations, tangent_of
from skgn.thread.unit_lengths import scale_units, unit_model
from skgn.typing import Array


class SignedStep:
    """Propose the layers' steps of some equations, with signs and lengths corrected.

    Parameters
    ----------
    equations : LayerEquations
    """

    spectra: Sequence[BlockSpectrum] = ()

    def __init__(self, equations: LayerEquations):
        self.equations = equations
        self.prepared: Evaluation | None = None
        self.previous: Proposal | None = None

    def propose(self, here: Evaluation, damping: float) -> Proposal:
        """Propose the best lengths of the units' steps, and share of the previous one."""
        if self.prepared is not here:
            self._prepare(here)
        c = self.model.best(damping)
        step, Z1_dot = self.along.direction.copy(), self.along.Z1_dot.copy()
        scale_units(here.objective.network, step, Z1_dot, c)
        if self.momentum is not None:
            step += step.dtype.type(c[-1]) * self.momentum.direction
            Z1_dot += step.dtype.type(c[-1]) * self.momentum.Z1_dot
        return Proposal(
            step=step,
            Z1_dot=Z1_dot,
            slope=float(self.model.slopes @ c),
            curvature=float(c @ self.model.curvatures @ c),
            potential=max(
                self.model.potential(damping, self.largest_curvature),
                self.downhill.potential(damping, self.largest_curvature),
            ),
        )

    def accept(self, proposal: Proposal) -> None:
        """Keep the step for the next proposal."""
        self.previous = proposal

    @property
    def largest_curvature(self) -> float:
        """Largest curvature along any of the directions last looked at."""
        return self.model.largest

    def _prepare(self, here: Evaluation) -> None:
        """Do the work that does not depend on the damping."""
        self.along = tangent_of(here, self._signed(here))
        self.momentum = None
        if self.previous is not None:
            P = self.previous
            self.momentum = here.tangents([P.step], [P.Z1_dot])[0]
        self.model = unit_model(here, self.along, self.momentum)
        self.downhill = Model.of(here, [tangent_of(here, -here.gradient)])
        self.prepared = here

    def _signed(self, here: Evaluation) -> Array:
        """Return the layers' steps with the signs of the negative gradient."""
        layers = here.objective.network.layers
        direction = self.equations.direction(here)
        D, G = layers(direction), layers(here.gradient)
        axes = self.equations.input_factor
        if axes.rest is None:
            along_axes = with_sign(axes.into_basis(D[0]), axes.into_basis(G[0]))
            D[0][:] = axes.out_of_basis(along_axes)
        else:
            D[0][:] = with_sign(D[0], G[0])
        for D_l, G_l in zip(D[1:], G[1:], strict=True):
            D_l[:] = with_sign(D_l, G_l)
        return direction


def with_sign(D: Array, gradient: Array) -> Array:
    """Return D with the sign of the negative gradient, zero where that is zero."""
    return -np.sign(gradient) * np.abs(D)
