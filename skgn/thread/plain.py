"""The layers' steps as their equations give them.

What becomes of such a step is the loop's to decide: it takes it whatever it does, or
looks for a fraction that lowers the objective. The promise that the loop compares with
`tol` is that of the plane of the step and the gradient, since a direction that is hardly
one of descent says little about how far a minimum is.
"""

from collections.abc import Sequence

from skgn.linalg.spectrum import BlockSpectrum
from skgn.model.evaluation import Evaluation
from skgn.steps.combination import Model
from skgn.steps.proposal import Proposal
from skgn.thread.layerwise import LayerEquations, tangent_of


class PlainStep:
    """Propose the layers' steps of some equations.

    Parameters
    ----------
    equations : LayerEquations
    """

    #: None is looked at: the damping does not shape these steps.
    largest_curvature = 0.0
    spectra: Sequence[BlockSpectrum] = ()

    def __init__(self, equations: LayerEquations):
        self.equations = equations
        self.prepared: Evaluation | None = None

    def propose(self, here: Evaluation, damping: float) -> Proposal:
        """Propose the layers' steps, which do not depend on the loop's damping."""
        if self.prepared is not here:
            along = tangent_of(here, self.equations.direction(here))
            model = Model.of(here, [along, tangent_of(here, -here.gradient)])
            self.proposal = Proposal(
                step=along.direction,
                Z1_dot=along.Z1_dot,
                slope=float(model.slopes[0]),
                curvature=float(model.curvatures[0, 0]),
                potential=model.potential(0.0, 0.0),
            )
            self.prepared = here
        return self.proposal

    def accept(self, proposal: Proposal) -> None:
        """Nothing is kept from step to step."""
