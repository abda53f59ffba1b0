"""What a step hands to the loop, and what the loop asks of a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from skgn.linalg.spectrum import BlockSpectrum
from skgn.model.evaluation import Evaluation
from skgn.typing import Array


@dataclass(frozen=True)
class Proposal:
    """A change of the weights and what the model promises of it.

    Attributes
    ----------
    step : ndarray
        Flat, like theta.
    Z1_dot : ndarray of shape (m, n_1)
        The change of ``Z_1`` it makes, which is exact.
    slope : float
        Inner product of gradient and step; negative where the step descends. Where the
        step is that of a curve, this and the next one are those of its tangent.
    curvature : float
        ``step' G step`` with the undamped Gauss-Newton matrix G of the objective.
    potential : float
        Decrease that the model would promise if the damping λ were no more than the
        largest curvature g: half the squared norm of the gradient in the metric of
        ``(G + min(λ, g) I)^-1``, on the plane the step was chosen from. A large damping
        keeps the step short, but not this.
    """

    step: Array
    Z1_dot: Array
    slope: float
    curvature: float
    potential: float

    @property
    def predicted_decrease(self) -> float:
        """Decrease of the objective by the undamped quadratic model."""
        return -(self.slope + 0.5 * self.curvature)

    def scaled(self, fraction: float) -> "Proposal":
        """Return a fraction of the step; what could be gained stays what it is."""
        if fraction == 1:
            return self
        return Proposal(
            step=self.step * self.step.dtype.type(fraction),
            Z1_dot=self.Z1_dot * self.Z1_dot.dtype.type(fraction),
            slope=self.slope * fraction,
            curvature=self.curvature * fraction**2,
            potential=self.potential,
        )


class Step(Protocol):
    """A way to propose a change of the weights."""

    def propose(self, here: Evaluation, damping: float) -> Proposal:
        """Propose a step from `here`; asked again with more damping if it fails.

        Raises
        ------
        numpy.linalg.LinAlgError
            If no finite step can be found at this damping.
        """

    def accept(self, proposal: Proposal) -> None:
        """Take note that the loop has moved by `proposal`."""

    @property
    def largest_curvature(self) -> float:
        """Largest eigenvalue of the curvature last seen, in the unit of the damping."""

    @property
    def spectra(self) -> Sequence[BlockSpectrum]:
        """Eigenvalues of the layers' blocks last seen, intercepts projected out.

        Empty where the step knows none.
        """
